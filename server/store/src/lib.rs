//! What Cascina remembers: SQLite behind one writer.
