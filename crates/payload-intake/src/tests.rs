mod abuse;
mod bytes;
mod real_tools;
mod sound;
