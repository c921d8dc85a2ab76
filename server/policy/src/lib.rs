//! The sandbox in which stakeholders' policies run.
