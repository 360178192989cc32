//! Histories that are made up: the verdict has to find what is wrong with them.
