//! `repo-server serve`.

mod access_log;
mod app;
mod client;
mod command;
mod config;
mod connection;
mod disk_cache;
mod follow;
mod front;
mod metrics;
mod ops;
mod pace;
mod redirect;
mod refusal;
mod rest;
mod room;
mod server;
mod settings;
mod socket;
mod source;
mod sticky;
mod tls;
mod watch;

pub(crate) use command::ServeArgs;
pub(crate) use config::SettingsError;
pub(crate) use server::ServeError;
