//! miss-engine
