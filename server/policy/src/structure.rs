//! What a component is made of, counted before anything is compiled.
//!
//! A walk over the sections, without validating them: cheap, linear, and enough to refuse what
//! would be expensive to look at more closely. Validation proper comes with compilation.

use wasmparser::{Chunk, ComponentInstance, Encoding, Instance, Parser, Payload, TypeRef};

use crate::bounds::Bounds;
use crate::error::UploadError;

pub(crate) fn check(bytes: &[u8], bounds: &Bounds) -> Result<(), UploadError> {
    if bytes.len() > bounds.component_bytes {
        return Err(UploadError::TooLarge { size: bytes.len(), most: bounds.component_bytes });
    }
    let mut walk = Walk { bounds, functions: 0, nested: 0, entries: 0, instances: 0, components: 0 };
    let mut parsers = vec![Parser::new(0)];
    let mut rest = bytes;
    loop {
        let depth = parsers.len();
        let Some(parser) = parsers.last_mut() else { break };
        // The number of bytes read is dropped below; `rest` must end with the data.
        let (payload, read) = match parser.parse(rest, true).map_err(broken)? {
            Chunk::Parsed { payload, consumed } => (payload, consumed),
            Chunk::NeedMoreData(_) => return Err(UploadError::NotAComponent("it is cut short".into())),
        };
        match &payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 1 => return Err(UploadError::CoreModule),
            Payload::ModuleSection { parser, .. } | Payload::ComponentSection { parser, .. } => {
                let parser = parser.clone();
                walk.count(Count::Nested, 1)?;
                too_much(depth > bounds.depth as usize, || "components nested too deeply".into(), bounds.depth.into())?;
                parsers.push(parser);
            }
            Payload::End(_) => {
                parsers.pop();
            }
            other => walk.section(other)?,
        }
        rest = &rest[read..];
    }
    if rest.is_empty() { Ok(()) } else { Err(UploadError::NotAComponent("something follows its end".into())) }
}

fn broken(error: wasmparser::BinaryReaderError) -> UploadError {
    UploadError::NotAComponent(error.to_string())
}

fn too_much(is: bool, what: impl FnOnce() -> String, most: u64) -> Result<(), UploadError> {
    if is { Err(UploadError::TooMuch { what: what(), most }) } else { Ok(()) }
}

enum Count {
    Functions,
    Nested,
    Entries,
    Instances,
    Components,
}

struct Walk<'b> {
    bounds: &'b Bounds,
    functions: u32,
    nested: u32,
    entries: u32,
    instances: u32,
    components: u32,
}

impl Walk<'_> {
    fn count(&mut self, count: Count, more: u32) -> Result<(), UploadError> {
        let (sum, most, what) = match count {
            Count::Functions => (&mut self.functions, self.bounds.functions, "functions"),
            Count::Nested => (&mut self.nested, self.bounds.nested, "nested modules and components"),
            Count::Entries => {
                (&mut self.entries, self.bounds.entries, "types, imports, exports, globals, segments and aliases")
            }
            // What a component says it instantiates; what a nested one adds is counted when it
            // runs, but those are few because nesting and repetition are bounded here too.
            Count::Instances => (&mut self.instances, self.bounds.instances, "core instances"),
            Count::Components => (&mut self.components, self.bounds.nested, "component instances"),
        };
        *sum = sum.saturating_add(more);
        too_much(*sum > most, || format!("{sum} {what}"), most.into())
    }

    fn section(&mut self, payload: &Payload<'_>) -> Result<(), UploadError> {
        match payload {
            Payload::TypeSection(s) => self.count(Count::Entries, s.count()),
            Payload::ImportSection(s) => {
                self.count(Count::Entries, s.count())?;
                for import in s.clone().into_imports() {
                    match import.map_err(broken)?.ty {
                        TypeRef::Memory(ty) => self.memory(&ty)?,
                        TypeRef::Table(ty) => self.table(&ty)?,
                        _ => {}
                    }
                }
                Ok(())
            }
            Payload::FunctionSection(s) => self.count(Count::Functions, s.count()),
            Payload::TableSection(s) => {
                self.count(Count::Entries, s.count())?;
                s.clone().into_iter().try_for_each(|table| self.table(&table.map_err(broken)?.ty))
            }
            Payload::MemorySection(s) => {
                too_much(s.count() > 1, || format!("{} memories in one module", s.count()), 1)?;
                s.clone().into_iter().try_for_each(|memory| self.memory(&memory.map_err(broken)?))
            }
            Payload::GlobalSection(s) => self.count(Count::Entries, s.count()),
            Payload::ExportSection(s) => self.count(Count::Entries, s.count()),
            Payload::ElementSection(s) => self.count(Count::Entries, s.count()),
            Payload::DataSection(s) => self.count(Count::Entries, s.count()),
            Payload::CodeSectionEntry(body) => self.body(body),
            Payload::InstanceSection(s) => {
                for instance in s.clone() {
                    if matches!(instance.map_err(broken)?, Instance::Instantiate { .. }) {
                        self.count(Count::Instances, 1)?;
                    }
                }
                self.count(Count::Entries, s.count())
            }
            Payload::ComponentInstanceSection(s) => {
                for instance in s.clone() {
                    if matches!(instance.map_err(broken)?, ComponentInstance::Instantiate { .. }) {
                        self.count(Count::Components, 1)?;
                    }
                }
                self.count(Count::Entries, s.count())
            }
            Payload::CoreTypeSection(s) => self.count(Count::Entries, s.count()),
            Payload::ComponentTypeSection(s) => self.count(Count::Entries, s.count()),
            Payload::ComponentAliasSection(s) => self.count(Count::Entries, s.count()),
            Payload::ComponentCanonicalSection(s) => self.count(Count::Entries, s.count()),
            Payload::ComponentImportSection(s) => self.count(Count::Entries, s.count()),
            Payload::ComponentExportSection(s) => self.count(Count::Entries, s.count()),
            _ => Ok(()),
        }
    }

    fn memory(&self, ty: &wasmparser::MemoryType) -> Result<(), UploadError> {
        let most = self.bounds.memory_bytes as u64;
        let bytes = ty.initial.saturating_mul(1 << 16);
        too_much(bytes > most, || format!("a memory of {} MiB from the start", bytes >> 20), most >> 20)
    }

    fn table(&self, ty: &wasmparser::TableType) -> Result<(), UploadError> {
        let most = self.bounds.table_elements as u64;
        too_much(ty.initial > most, || format!("a table of {} elements from the start", ty.initial), most)
    }

    fn body(&self, body: &wasmparser::FunctionBody<'_>) -> Result<(), UploadError> {
        let bytes = body.range().len() as u64;
        let most = u64::from(self.bounds.function_body_bytes);
        too_much(bytes > most, || format!("a function of {bytes} bytes"), most)?;
        let mut locals = 0u64;
        for group in body.get_locals_reader().map_err(broken)? {
            locals += u64::from(group.map_err(broken)?.0);
        }
        let most = u64::from(self.bounds.locals);
        too_much(locals > most, || format!("a function of {locals} locals"), most)
    }
}
