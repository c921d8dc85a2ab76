//! The rule in Starlark: the module evaluated and frozen beforehand, its function called in a fresh
//! heap for each decision, as the hosts are handed over there.
//!
//! Candidates always fit, so the rule leaves out what Rust does for those that do not.

use starlark::environment::{FrozenModule, Globals, Module};
use starlark::eval::Evaluator;
use starlark::syntax::{AstModule, Dialect};
use starlark::values::list::{AllocList, ListRef};
use starlark::values::structs::AllocStruct;
use starlark::values::{FrozenHeapName, Value};

use crate::columns::{BALANCE, CACHED, Columns, FILL, IN_USE, Wanted, best};
use crate::rego::Form;

fn rules() -> String {
    format!(
        r#"
def of_columns(vcpus_wanted, memory_wanted, vcpus, vcpus_free, memory, memory_free, traits):
    scores = []
    for i in range(len(vcpus)):
        free = vcpus_free[i]
        cores = (free - vcpus_wanted) * 1000 // vcpus[i]
        room = (memory_free[i] - memory_wanted) * 1000 // memory[i]
        apart = cores - room if cores > room else room - cores
        sum = (1000 - (cores + room) // 2) * {FILL} + (1000 - apart) * {BALANCE}
        if free != vcpus[i]:
            sum += {IN_USE}
        if traits[i] != 0:
            sum += {CACHED}
        scores.append((sum >> 16) * 10)
    return scores

def of_records(vcpus_wanted, memory_wanted, hosts):
    scores = []
    for h in hosts:
        free = h.vcpus_free
        cores = (free - vcpus_wanted) * 1000 // h.vcpus
        room = (h.memory_free_mib - memory_wanted) * 1000 // h.memory_mib
        apart = cores - room if cores > room else room - cores
        sum = (1000 - (cores + room) // 2) * {FILL} + (1000 - apart) * {BALANCE}
        if free != h.vcpus:
            sum += {IN_USE}
        if h.traits != 0:
            sum += {CACHED}
        scores.append((sum >> 16) * 10)
    return scores
"#
    )
}

pub struct Starlark {
    module: FrozenModule,
    form: Form,
}

impl Starlark {
    pub fn new(form: Form) -> Starlark {
        let ast = AstModule::parse("pack.star", rules(), &Dialect::Standard).unwrap();
        let module = Module::with_temp_heap(|module| {
            Evaluator::new(&module).eval_module(ast, &Globals::standard()).unwrap();
            module.freeze_named(FrozenHeapName::User(Box::new("pack.star".to_owned())))
        });
        Starlark { module: module.unwrap(), form }
    }

    pub fn rank(&self, hosts: &Columns, wanted: Wanted) -> Option<usize> {
        Module::with_temp_heap(|module| {
            let heap = module.heap();
            let list = |column: &[u32]| heap.alloc(AllocList(column.iter().copied()));
            let mut given: Vec<Value<'_>> = vec![heap.alloc(wanted.vcpus), heap.alloc(wanted.memory_mib)];
            let function = match self.form {
                Form::Columns => {
                    // Only what the rule reads: a function's arguments are its own choice.
                    let columns =
                        [&hosts.vcpus, &hosts.vcpus_free, &hosts.memory_mib, &hosts.memory_free_mib, &hosts.traits];
                    given.extend(columns.map(|column| list(column)));
                    "of_columns"
                }
                Form::Records => {
                    let record = |row: usize| {
                        heap.alloc(AllocStruct([
                            ("id", hosts.id[row]),
                            ("vcpus", hosts.vcpus[row]),
                            ("vcpus_free", hosts.vcpus_free[row]),
                            ("memory_mib", hosts.memory_mib[row]),
                            ("memory_free_mib", hosts.memory_free_mib[row]),
                            ("disk_free_gib", hosts.disk_free_gib[row]),
                            ("load_permille", hosts.load_permille[row]),
                            ("same_farm", hosts.same_farm[row]),
                            ("share", hosts.share[row]),
                            ("traits", hosts.traits[row]),
                        ]))
                    };
                    given.push(heap.alloc(AllocList((0..hosts.len()).map(record))));
                    "of_records"
                }
            };
            let function = heap.access_owned_frozen_value(&self.module.get(function).unwrap());
            let mut evaluator = Evaluator::new(&module);
            let scores = evaluator.eval_function(function, &given, &[]).unwrap();
            let scores = ListRef::from_value(scores).unwrap();
            best(scores.iter().map(|score| score.unpack_i32().unwrap() as u32))
        })
    }
}
