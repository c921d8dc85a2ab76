//! The rule in Rego, in regorus' virtual machine: parsed and compiled beforehand, the machine used
//! again for each decision. Handing the hosts over is part of the decision, since they change with
//! each commit; they are made as values, without JSON text in between.
//!
//! Candidates always fit, so the rule leaves out what Rust does for those that do not.

use std::collections::BTreeMap;

use regorus::languages::rego::compiler::Compiler;
use regorus::rvm::vm::RegoVM;
use regorus::{Engine, Value};

use crate::columns::{BALANCE, CACHED, Columns, FILL, IN_USE, Wanted, best};

const RULES: &str = r#"
package pack

permille(part, whole) := floor(part * 1000 / whole)

used(free, all) := 0 if free == all
used(free, all) := input.in_use if free != all

near(traits) := 0 if traits == 0
near(traits) := input.cached if traits != 0

score(cores, memory, used, near) := floor(sum / 65536) * 10 if {
    full := 1000 - floor((cores + memory) / 2)
    even := 1000 - abs(cores - memory)
    sum := (((full * input.fill) + (even * input.balance)) + used) + near
}

of_columns := [s |
    some i, free in input.vcpus_free
    cores := permille(free - input.vcpus_wanted, input.vcpus[i])
    memory := permille(input.memory_free_mib[i] - input.memory_wanted, input.memory_mib[i])
    s := score(cores, memory, used(free, input.vcpus[i]), near(input.traits[i]))
]

of_records := [s |
    some h in input.hosts
    cores := permille(h.vcpus_free - input.vcpus_wanted, h.vcpus)
    memory := permille(h.memory_free_mib - input.memory_wanted, h.memory_mib)
    s := score(cores, memory, used(h.vcpus_free, h.vcpus), near(h.traits))
]
"#;

/// How hosts are handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One object a host: how Rego is usually written.
    Records,
    /// One array a fact: less to make.
    Columns,
}

pub struct Rego {
    vm: RegoVM,
    form: Form,
    /// Names of fields, made once.
    names: BTreeMap<&'static str, Value>,
}

const NAMES: [&str; 17] = [
    "id",
    "vcpus",
    "vcpus_free",
    "memory_mib",
    "memory_free_mib",
    "disk_free_gib",
    "load_permille",
    "same_farm",
    "share",
    "traits",
    "hosts",
    "vcpus_wanted",
    "memory_wanted",
    "fill",
    "balance",
    "in_use",
    "cached",
];

impl Rego {
    pub fn new(form: Form) -> Rego {
        let entry = match form {
            Form::Records => "data.pack.of_records",
            Form::Columns => "data.pack.of_columns",
        };
        let mut engine = Engine::new();
        engine.add_policy("pack.rego".into(), RULES.into()).unwrap();
        let policy = engine.compile_with_entrypoint(&entry.into()).unwrap();
        let program = Compiler::compile_from_policy(&policy, &[entry]).unwrap();
        let mut vm = RegoVM::new();
        vm.set_max_instructions(usize::MAX);
        vm.load_program(program);
        Rego { vm, form, names: NAMES.into_iter().map(|name| (name, Value::from(name))).collect() }
    }

    pub fn rank(&mut self, hosts: &Columns, wanted: Wanted) -> Option<usize> {
        let facts: [(&str, &[u32]); 10] = [
            ("id", &hosts.id),
            ("vcpus", &hosts.vcpus),
            ("vcpus_free", &hosts.vcpus_free),
            ("memory_mib", &hosts.memory_mib),
            ("memory_free_mib", &hosts.memory_free_mib),
            ("disk_free_gib", &hosts.disk_free_gib),
            ("load_permille", &hosts.load_permille),
            ("same_farm", &hosts.same_farm),
            ("share", &hosts.share),
            ("traits", &hosts.traits),
        ];
        let name = |name: &str| self.names[name].clone();
        let mut input: BTreeMap<Value, Value> = [
            ("vcpus_wanted", wanted.vcpus),
            ("memory_wanted", wanted.memory_mib),
            ("fill", FILL),
            ("balance", BALANCE),
            ("in_use", IN_USE),
            ("cached", CACHED),
        ]
        .map(|(field, value)| (name(field), Value::from(value)))
        .into();
        match self.form {
            Form::Columns => {
                for (field, column) in facts {
                    let values: Vec<Value> = column.iter().map(|value| Value::from(*value)).collect();
                    input.insert(name(field), Value::from(values));
                }
            }
            Form::Records => {
                let names = facts.map(|(field, _)| name(field));
                let record = |row: usize| {
                    let fields = names.iter().zip(facts).map(|(name, (_, of))| (name.clone(), Value::from(of[row])));
                    Value::from(fields.collect::<BTreeMap<_, _>>())
                };
                let hosts: Vec<Value> = (0..hosts.len()).map(record).collect();
                input.insert(name("hosts"), Value::from(hosts));
            }
        }
        self.vm.set_input(Value::from(input));
        let scores = self.vm.execute().unwrap();
        let scores = scores.as_array().unwrap();
        best(scores.iter().map(|score| score.as_u32().unwrap()))
    }
}
