//! What a library exports: all of the contract, and nothing that gets in the way of others (ABI-01, ABI-02).

use object::{Object, ObjectSymbol, SymbolKind};
use worker_contract::Function;

use crate::oracle::Verdicts;

/// A global symbol that the library defines.
pub(super) struct Export {
    name: String,
    code: bool,
    address: u64,
}

pub(super) fn exports(file: &object::File) -> Vec<Export> {
    file.dynamic_symbols()
        .filter(|symbol| symbol.is_definition() && symbol.is_global())
        .filter_map(|symbol| {
            let code = symbol.kind() == SymbolKind::Text;
            Some(Export { name: symbol.name().ok()?.to_owned(), code, address: symbol.address() })
        })
        .collect()
}

/// The functions of the contract that are exported, with their addresses in the file's own address space.
pub(super) fn functions(exports: &[Export]) -> Vec<(Function, u64)> {
    let code = exports.iter().filter(|export| export.code);
    code.filter_map(|export| Some((Function::from_name(&export.name)?, export.address))).collect()
}

pub(super) fn judge(exports: &[Export], library: &str, verdicts: &mut Verdicts) {
    for function in Function::ALL {
        let found = exports.iter().any(|export| export.name == function.name() && export.code);
        verdicts.judge("ABI-01", found, || {
            let mangled = exports
                .iter()
                .find(|export| export.name.starts_with("_Z") && export.name.contains(function.name()));
            let observed = match mangled {
                Some(export) => format!("not exported; there is a mangled {}", export.name),
                None => "not exported".to_owned(),
            };
            (library.to_owned(), format!("exports the function {function}"), observed)
        });
    }
    let leaked: Vec<&str> = exports
        .iter()
        .map(|export| export.name.as_str())
        .filter(|name| Function::from_name(name).is_none())
        .filter(|name| name.starts_with("cu") || name.starts_with("_Z"))
        .collect();
    verdicts.judge("ABI-02", leaked.is_empty(), || {
        let shown: Vec<&str> = leaked.iter().copied().take(5).collect();
        let observed = format!("{} more, such as {}", leaked.len(), shown.join(", "));
        (library.to_owned(), "exports no other cuda*, cu*, cublas* or C++ symbol".to_owned(), observed)
    });
}
