//! The bus between the services: topics, partitions, offsets and consumer groups.
