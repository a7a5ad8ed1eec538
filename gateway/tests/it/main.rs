//! Integration tests of the gateway's parts against real servers.
mod rooms;
mod support;
