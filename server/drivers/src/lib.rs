//! The world of hosts behind one trait, and its simulation.
