//! What a repository is written in, by its files.
