//! Reads declarations through libclang, which is loaded at run time; the only file here with `unsafe`.

#![allow(non_upper_case_globals, reason = "the names of libclang, in patterns")]

use std::ffi::{CStr, CString, c_uint, c_void};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

use clang_sys::*;

/// Why headers could not be read at all; what is wrong with headers is a difference, and no error.
#[derive(Debug, thiserror::Error)]
pub enum ParseError {
    /// There is no libclang.
    #[error(
        "cannot load libclang: {0}; install it (Debian: apt-get install libclang-dev) or set LIBCLANG_PATH to the \
         folder that holds libclang.so"
    )]
    NoLibrary(String),
    /// The library is older than what is asked of it.
    #[error("cannot use libclang: it lacks `{0}`; version 7 or later is needed")]
    TooOld(&'static str),
    /// The parser gave up.
    #[error("libclang cannot parse `{0}` (code {1})")]
    Refused(String, i32),
}

/// What to parse a file as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Setting {
    /// The language.
    pub language: Language,
    /// A target triple that clang knows.
    pub target: &'static str,
}

/// A language that the headers are written for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// C99.
    C,
    /// C++17.
    Cpp,
}

impl Language {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::C, Self::Cpp];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::C => "C",
            Self::Cpp => "C++",
        }
    }

    const fn arguments(self) -> [&'static str; 3] {
        match self {
            Self::C => ["-x", "c", "-std=c99"],
            Self::Cpp => ["-x", "c++", "-std=c++17"],
        }
    }
}

/// Kind of a declaration at file level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Kind {
    Function,
    Typedef,
    Struct,
    Union,
    Enum,
    Variable,
    Other,
}

/// A declaration as the parser understood it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declaration {
    /// What it declares.
    pub kind: Kind,
    /// Its name; empty if it has none.
    pub name: String,
    /// File name, without its folder.
    pub header: String,
    /// First byte in the file.
    pub start: usize,
    /// Byte after the last.
    pub end: usize,
    /// The declaration written anew by the parser: macros replaced, spacing and order of specifiers its own.
    pub text: String,
    /// Symbol for the linker.
    pub symbol: String,
    /// Facts about the type, in the parser's spelling.
    pub function: Option<FunctionType>,
    /// The type that a typedef names.
    pub aliases: Option<Type>,
    /// Enumerators with their values and places.
    pub enumerators: Vec<Enumerator>,
    /// Integer type behind an enumeration.
    pub underlying: String,
    /// Whether it has a body, fields or an initial value.
    pub definition: bool,
    /// Whether its name stays inside the translation unit.
    pub internal: bool,
    /// Whether other objects see it, as far as attributes say.
    pub visible: bool,
}

/// An enumerator.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Enumerator {
    pub name: String,
    pub value: i64,
    pub start: usize,
    pub end: usize,
}

/// A type, as written and as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Type {
    /// As written, typedef names kept.
    pub spelled: String,
    /// Typedefs replaced: what the machine sees on this target.
    pub canonical: String,
    /// Bytes, or a negative number where it has no size.
    pub size: i64,
}

/// What calls of a function depend on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionType {
    /// Return type.
    pub returns: Type,
    /// Parameters in order.
    pub parameters: Vec<Parameter>,
    /// `...` at the end.
    pub variadic: bool,
    /// Whether the parameters are declared; `()` in C does not.
    pub prototype: bool,
    /// libclang's number of the calling convention; 1 is the platform's own.
    pub convention: i32,
    /// libclang's number of the exception specification; 0 is none.
    pub exceptions: i32,
    /// Declared `inline`.
    pub inline: bool,
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Its name; may be empty.
    pub name: String,
    /// Its type.
    pub kind: Type,
    /// Whether it has a default value.
    pub default: bool,
}

/// A translation unit after parsing.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Declarations in files of the folder that was asked about, in order of appearance.
    pub declarations: Vec<Declaration>,
    /// Warnings and errors.
    pub complaints: Vec<Complaint>,
}

/// A warning or an error of the parser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// Whether compilation ends here.
    pub error: bool,
    /// File name without its folder.
    pub header: String,
    /// Line, from 1.
    pub line: u32,
    /// What is wrong.
    pub text: String,
}

/// Makes libclang ready on this thread.
fn load() -> Result<(), ParseError> {
    static LIBRARY: OnceLock<Result<Arc<SharedLibrary>, String>> = OnceLock::new();
    if !is_loaded() {
        let library = LIBRARY.get_or_init(|| load_manually().map(Arc::new));
        let library = library.as_ref().map_err(|error| ParseError::NoLibrary(error.clone()))?;
        set_library(Some(Arc::clone(library)));
    }
    for (there, name) in [
        (clang_getCursorPrettyPrinted::is_loaded(), "clang_getCursorPrettyPrinted"),
        (clang_Cursor_getMangling::is_loaded(), "clang_Cursor_getMangling"),
        (clang_getCursorExceptionSpecificationType::is_loaded(), "clang_getCursorExceptionSpecificationType"),
        (clang_Cursor_isFunctionInlined::is_loaded(), "clang_Cursor_isFunctionInlined"),
    ] {
        if !there {
            return Err(ParseError::TooOld(name));
        }
    }
    Ok(())
}

/// Parses a file; headers are found in `include`, the standard ones in `standard` alone.
///
/// # Errors
/// If libclang is missing or gives up. Errors in the source are complaints in the result.
pub fn parse(file: &Path, include: &Path, standard: &Path, setting: Setting) -> Result<Parsed, ParseError> {
    // libclang is safe to use from several threads; one at a time keeps its memory small and its crashes apart.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    load()?;
    let text = |path: &Path| path.to_string_lossy().into_owned();
    let mut arguments: Vec<String> = setting.language.arguments().map(str::to_owned).to_vec();
    arguments.extend(["-target".to_owned(), setting.target.to_owned()]);
    arguments.extend(
        [
            "-ffreestanding",
            "-nostdinc",
            "-fno-delayed-template-parsing",
            "-Wall",
            "-Wextra",
            "-Wpedantic",
            "-Wno-newline-eof",
        ]
        .map(str::to_owned),
    );
    arguments.extend(["-isystem".to_owned(), text(standard), "-I".to_owned(), text(include)]);
    let refused = |code| ParseError::Refused(text(file), code);
    let arguments: Vec<CString> =
        arguments.into_iter().map(CString::new).collect::<Result<_, _>>().map_err(|_| refused(-1))?;
    let pointers: Vec<_> = arguments.iter().map(|argument| argument.as_ptr()).collect();
    let name = CString::new(text(file)).map_err(|_| refused(-1))?;
    // SAFETY: the library is loaded on this thread.
    let index = Index(unsafe { clang_createIndex(0, 0) });
    let mut unit = std::ptr::null_mut();
    // SAFETY: the strings and the array of pointers live until the call returns, and the lengths are theirs.
    let code = unsafe {
        clang_parseTranslationUnit2(
            index.0,
            name.as_ptr(),
            pointers.as_ptr(),
            i32::try_from(pointers.len()).map_err(|_| refused(-1))?,
            std::ptr::null_mut(),
            0,
            CXTranslationUnit_KeepGoing,
            &raw mut unit,
        )
    };
    if code != CXError_Success || unit.is_null() {
        return Err(refused(code));
    }
    let unit = Unit(unit);
    let folder = format!("{}/", text(include));
    let mut parsed = Parsed { declarations: Vec::new(), complaints: complaints(&unit, &folder) };
    // SAFETY: the unit is alive.
    let root = unsafe { clang_getTranslationUnitCursor(unit.0) };
    collect(root, &folder, &mut parsed.declarations);
    Ok(parsed)
}

struct Index(CXIndex);

impl Drop for Index {
    fn drop(&mut self) {
        // SAFETY: made by `clang_createIndex`, and disposed of once, after its units.
        unsafe { clang_disposeIndex(self.0) }
    }
}

struct Unit(CXTranslationUnit);

impl Drop for Unit {
    fn drop(&mut self) {
        // SAFETY: made by `clang_parseTranslationUnit2`, and disposed of once, after the last use of its cursors.
        unsafe { clang_disposeTranslationUnit(self.0) }
    }
}

/// Takes a string over from libclang.
fn owned(string: CXString) -> String {
    // SAFETY: the string comes from libclang and is not disposed of yet.
    let text = unsafe { clang_getCString(string) };
    let copy = if text.is_null() {
        String::new()
    } else {
        // SAFETY: libclang's strings end with NUL.
        unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
    };
    // SAFETY: disposed of once, after its last use.
    unsafe { clang_disposeString(string) };
    copy
}

/// File, offset and line of a place.
fn place(location: CXSourceLocation) -> (String, usize, u32) {
    let (mut file, mut line, mut offset): (CXFile, c_uint, c_uint) = (std::ptr::null_mut(), 0, 0);
    // SAFETY: the out-parameters are writable; the column is not asked for.
    unsafe {
        clang_getExpansionLocation(
            location,
            &raw mut file,
            &raw mut line,
            std::ptr::null_mut(),
            &raw mut offset,
        );
    }
    if file.is_null() {
        return (String::new(), 0, 0);
    }
    // SAFETY: the file is one of the living unit.
    (owned(unsafe { clang_getFileName(file) }), offset as usize, line)
}

/// The name of a header inside its folder; of any other file, the name without its folder.
fn name_in(folder: &str, path: &str) -> String {
    path.strip_prefix(folder).unwrap_or_else(|| path.rsplit('/').next().unwrap_or(path)).to_owned()
}

fn complaints(unit: &Unit, folder: &str) -> Vec<Complaint> {
    // SAFETY: the unit is alive.
    let count = unsafe { clang_getNumDiagnostics(unit.0) };
    let one = |number| {
        // SAFETY: the number is below the count; the diagnostic is disposed of below.
        let diagnostic = unsafe { clang_getDiagnostic(unit.0, number) };
        // SAFETY: the diagnostic is alive in all three calls.
        let (severity, text, location) = unsafe {
            (
                clang_getDiagnosticSeverity(diagnostic),
                owned(clang_getDiagnosticSpelling(diagnostic)),
                clang_getDiagnosticLocation(diagnostic),
            )
        };
        let (file, _, line) = place(location);
        // SAFETY: disposed of once.
        unsafe { clang_disposeDiagnostic(diagnostic) };
        (severity >= CXDiagnostic_Warning).then(|| Complaint {
            error: severity >= CXDiagnostic_Error,
            header: name_in(folder, &file),
            line,
            text,
        })
    };
    (0..count).filter_map(one).collect()
}

/// The cursors directly below one.
fn children(cursor: CXCursor) -> Vec<CXCursor> {
    extern "C" fn visit(cursor: CXCursor, _: CXCursor, data: CXClientData) -> CXChildVisitResult {
        // SAFETY: `data` is the vector below, which outlives the visit and is used by nobody else during it.
        unsafe { &mut *data.cast::<Vec<CXCursor>>() }.push(cursor);
        CXChildVisit_Continue
    }
    let mut found: Vec<CXCursor> = Vec::new();
    // SAFETY: the visitor only appends to the vector, which lives longer than the call.
    unsafe { clang_visitChildren(cursor, visit, (&raw mut found).cast::<c_void>()) };
    found
}

fn collect(parent: CXCursor, folder: &str, into: &mut Vec<Declaration>) {
    for cursor in children(parent) {
        // SAFETY: the cursor belongs to the living unit, here and in all that follows.
        let kind = unsafe { clang_getCursorKind(cursor) };
        // SAFETY: as above.
        let (file, ..) = place(unsafe { clang_getCursorLocation(cursor) });
        if !file.starts_with(folder) {
            continue;
        }
        // Blocks of `extern "C"` are looked through; older libraries do not name them.
        let inside = children(cursor);
        let block = kind == CXCursor_LinkageSpec || kind == CXCursor_UnexposedDecl;
        if block && !inside.is_empty() {
            collect(cursor, folder, into);
        } else {
            into.push(declaration(cursor, kind, &name_in(folder, &file), &inside));
        }
    }
}

fn type_of(kind: CXType) -> Type {
    // SAFETY: the type belongs to a living unit.
    unsafe {
        Type {
            spelled: owned(clang_getTypeSpelling(kind)),
            canonical: owned(clang_getTypeSpelling(clang_getCanonicalType(kind))),
            size: clang_Type_getSizeOf(kind),
        }
    }
}

fn declaration(cursor: CXCursor, kind: CXCursorKind, file: &str, inside: &[CXCursor]) -> Declaration {
    let kind = match kind {
        CXCursor_FunctionDecl => Kind::Function,
        CXCursor_TypedefDecl | CXCursor_TypeAliasDecl => Kind::Typedef,
        CXCursor_StructDecl | CXCursor_ClassDecl => Kind::Struct,
        CXCursor_UnionDecl => Kind::Union,
        CXCursor_EnumDecl => Kind::Enum,
        CXCursor_VarDecl => Kind::Variable,
        _ => Kind::Other,
    };
    let (start, end) = extent(cursor);
    // SAFETY: the cursor belongs to a living unit in every call of this function.
    let type_ = unsafe { clang_getCursorType(cursor) };
    let enumerators = inside.iter().copied().filter_map(enumerator).collect();
    // SAFETY: as above; each function is defined for every cursor, and says so by an invalid result.
    unsafe {
        let anonymous = kind == Kind::Enum || kind == Kind::Struct || kind == Kind::Union;
        let name = owned(clang_getCursorSpelling(cursor));
        let linkage = clang_getCursorLinkage(cursor);
        let symbol = if matches!(kind, Kind::Function | Kind::Variable) {
            owned(clang_Cursor_getMangling(cursor))
        } else {
            String::new()
        };
        Declaration {
            kind,
            // Newer libraries call what has no name `(unnamed at ...)`.
            name: if anonymous && name.contains('(') { String::new() } else { name },
            header: file.to_owned(),
            start,
            end,
            text: pretty(cursor),
            symbol,
            function: (kind == Kind::Function).then(|| function(cursor, type_)),
            aliases: (kind == Kind::Typedef).then(|| type_of(clang_getTypedefDeclUnderlyingType(cursor))),
            enumerators,
            underlying: if kind == Kind::Enum {
                type_of(clang_getEnumDeclIntegerType(cursor)).canonical
            } else {
                String::new()
            },
            definition: clang_isCursorDefinition(cursor) != 0,
            internal: linkage == CXLinkage_Internal,
            visible: clang_getCursorVisibility(cursor) != CXVisibility_Hidden
                && clang_getCursorVisibility(cursor) != CXVisibility_Protected,
        }
    }
}

fn extent(cursor: CXCursor) -> (usize, usize) {
    // SAFETY: the cursor belongs to a living unit.
    let (start, end) = unsafe {
        let range = clang_getCursorExtent(cursor);
        (clang_getRangeStart(range), clang_getRangeEnd(range))
    };
    (place(start).1, place(end).1)
}

fn enumerator(cursor: CXCursor) -> Option<Enumerator> {
    // SAFETY: the cursor belongs to a living unit.
    unsafe {
        (clang_getCursorKind(cursor) == CXCursor_EnumConstantDecl).then(|| {
            let (start, end) = extent(cursor);
            Enumerator {
                name: owned(clang_getCursorSpelling(cursor)),
                value: clang_getEnumConstantDeclValue(cursor),
                start,
                end,
            }
        })
    }
}

fn function(cursor: CXCursor, type_: CXType) -> FunctionType {
    // SAFETY: cursor and type belong to a living unit, and the number of an argument is below their count.
    unsafe {
        let count = c_uint::try_from(clang_Cursor_getNumArguments(cursor)).unwrap_or(0);
        let parameters = (0..count).map(|number| {
            let parameter = clang_Cursor_getArgument(cursor, number);
            Parameter {
                name: owned(clang_getCursorSpelling(parameter)),
                kind: type_of(clang_getCursorType(parameter)),
                default: pretty(parameter).contains('='),
            }
        });
        FunctionType {
            returns: type_of(clang_getCursorResultType(cursor)),
            parameters: parameters.collect(),
            variadic: clang_Cursor_isVariadic(cursor) != 0,
            prototype: clang_getCanonicalType(type_).kind == CXType_FunctionProto,
            convention: clang_getFunctionTypeCallingConv(type_),
            exceptions: clang_getCursorExceptionSpecificationType(cursor),
            inline: clang_Cursor_isFunctionInlined(cursor) != 0,
        }
    }
}

fn pretty(cursor: CXCursor) -> String {
    // SAFETY: the cursor belongs to a living unit; the policy is disposed of once, after its use.
    unsafe {
        let policy = clang_getCursorPrintingPolicy(cursor);
        let text = owned(clang_getCursorPrettyPrinted(cursor, policy));
        clang_PrintingPolicy_dispose(policy);
        text
    }
}
