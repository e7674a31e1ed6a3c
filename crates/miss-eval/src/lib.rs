//! miss-eval
