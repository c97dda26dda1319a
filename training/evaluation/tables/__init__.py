"""The paper's six tables: their specifications, the cases they are measured on, and how they are written."""
