//! deploy/local
