//! How much a policy may be, and how much it may use.

use crate::meter::Budgets;

/// Bounds on a component before it is compiled, and on each of its calls.
///
/// The defaults fit policies in compiled languages with a wide margin. Interpreters packed into a
/// component (Python, JavaScript) ask for more in their manifest, and get at most `interpreters`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Size of the component.
    pub component_bytes: usize,
    /// Core modules and components nested in it, each.
    pub nested: u32,
    /// How deep components may be nested.
    pub depth: u32,
    /// Functions in all its modules.
    pub functions: u32,
    pub function_body_bytes: u32,
    /// Locals of one function; they cost nothing to write down and much to compile.
    pub locals: u32,
    /// Everything else that can be counted: types, imports, exports, globals, segments, aliases.
    pub entries: u32,
    /// Linear memory of an instance.
    pub memory_bytes: usize,
    /// Linear memories of all parts of a component.
    pub memories: u32,
    /// Elements of each table.
    pub table_elements: usize,
    /// Core instances that one evaluation may consist of, and tables.
    pub instances: u32,
    pub stack_bytes: usize,
    /// Instructions, roughly. Deterministic, so this limit is part of the verdict.
    pub fuel: u64,
    /// Processor time of one evaluation; the backstop for what fuel does not see. It is not
    /// deterministic, so it must be longer than the fuel lasts.
    pub deadline_ms: u64,
    /// The same for planners, which look at everything there is and are asked seldom.
    pub plan_fuel: u64,
    pub plan_deadline_ms: u64,
    /// Bytes that one answer may take, over what a row for each candidate takes.
    pub result_bytes: usize,
    /// Reasons in one list.
    pub reasons: usize,
    pub reason_text_bytes: usize,
    pub code_bytes: usize,
    pub log_lines: usize,
    /// Of one line.
    pub log_line_bytes: usize,
    /// Of all lines of a decision.
    pub log_bytes: usize,
    /// Settings document and settings schema.
    pub settings_bytes: usize,
    /// Evaluations at the same time; others wait.
    pub concurrent: u32,
    /// Processor seconds and bytes of address space of the compiler, if it is a process of its own.
    pub compile_seconds: u64,
    pub compile_bytes: u64,
    /// Failures of a binding in a row until it is put in quarantine.
    pub quarantine_after: u32,
    /// Instances that may be used again.
    pub warm: Warm,
    pub budgets: Budgets,
    /// For components whose manifest asks for more than these bounds.
    pub interpreters: Interpreters,
}

/// How long an instance may live that is used again; it ends with any failure anyway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Warm {
    /// That wait for their next question, over all components; 0 switches it off.
    pub instances: u32,
    /// Questions to one of them.
    pub calls: u32,
    pub seconds: u64,
}

/// The most that a manifest may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interpreters {
    pub component_bytes: usize,
    /// Linear memory; 0 lets no interpreters in.
    pub memory_bytes: usize,
    pub fuel: u64,
    pub deadline_ms: u64,
    pub concurrent: u32,
    pub warm: Warm,
}

impl Bounds {
    /// The bounds of the lane for interpreters. A large runtime is taken as it is: what is generous here
    /// is what the bounds on size and on the compiler hold anyway.
    pub(crate) fn of_interpreters(&self) -> Bounds {
        let most = self.interpreters;
        Bounds {
            component_bytes: most.component_bytes,
            nested: 256,
            depth: 8,
            functions: 80_000,
            function_body_bytes: 2 << 20,
            locals: 50_000,
            entries: 400_000,
            memory_bytes: most.memory_bytes,
            // The interpreter's, and that of the part that stands in for WASI.
            memories: 4,
            table_elements: 60_000,
            instances: 64,
            fuel: most.fuel,
            deadline_ms: most.deadline_ms,
            concurrent: most.concurrent,
            compile_seconds: 600,
            compile_bytes: 8 << 30,
            warm: most.warm,
            ..self.clone()
        }
    }
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            component_bytes: 2 << 20,
            nested: 32,
            depth: 4,
            functions: 10_000,
            function_body_bytes: 128 << 10,
            locals: 5_000,
            entries: 20_000,
            memory_bytes: 16 << 20,
            memories: 1,
            table_elements: 10_000,
            instances: 8,
            stack_bytes: 512 << 10,
            fuel: 50_000_000,
            deadline_ms: 200,
            plan_fuel: 20_000_000_000,
            plan_deadline_ms: 30_000,
            result_bytes: 256 << 10,
            reasons: 32,
            reason_text_bytes: 500,
            code_bytes: 64,
            log_lines: 64,
            log_line_bytes: 500,
            log_bytes: 4 << 10,
            settings_bytes: 64 << 10,
            concurrent: 32,
            compile_seconds: 10,
            compile_bytes: 1 << 30,
            quarantine_after: 5,
            warm: Warm { instances: 0, calls: 1_000, seconds: 600 },
            budgets: Budgets::default(),
            interpreters: Interpreters {
                component_bytes: 40 << 20,
                memory_bytes: 128 << 20,
                fuel: 5_000_000_000,
                deadline_ms: 5_000,
                concurrent: 4,
                warm: Warm { instances: 8, calls: 1_000, seconds: 600 },
            },
        }
    }
}
