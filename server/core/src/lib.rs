//! The nouns and rules of Cascina: pure, without input or output.
