//! `repo-server serve`.

mod access_log;
mod app;
mod client;
mod command;
mod connection;
mod follow;
mod front;
mod metrics;
mod ops;
mod pace;
mod rest;
mod server;
mod settings;
mod source;
mod sticky;
mod tls;

pub(crate) use command::ServeArgs;
pub(crate) use server::ServeError;
pub(crate) use settings::SettingsError;
