//! The rules: every kind of difference, its class, and why it matters.

#![forbid(unsafe_code)]

use std::fmt;

use serde::{Deserialize, Serialize};

/// How much a difference breaks, the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Hosts and libraries that are built already do not fit together any more.
    BreakingBinary,
    /// Hosts or libraries that compiled no longer do, or compile into something else.
    BreakingSource,
    /// Everything compiles and links, and means something else.
    BreakingSemantic,
    /// Nothing that was relied on changes, but there is more of it.
    CompatibleAddition,
    /// Words only.
    Editorial,
}

impl Class {
    /// All of them, the worst first.
    pub const ALL: [Self; 5] = [
        Self::BreakingBinary,
        Self::BreakingSource,
        Self::BreakingSemantic,
        Self::CompatibleAddition,
        Self::Editorial,
    ];

    /// Its name for people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreakingBinary => "breaking (binary)",
            Self::BreakingSource => "breaking (source)",
            Self::BreakingSemantic => "breaking (semantic)",
            Self::CompatibleAddition => "compatible addition",
            Self::Editorial => "editorial",
        }
    }

    /// The smallest change of the version that may carry it.
    #[must_use]
    pub const fn bump(self) -> Bump {
        match self {
            Self::BreakingBinary | Self::BreakingSource | Self::BreakingSemantic => Bump::Major,
            Self::CompatibleAddition => Bump::Minor,
            Self::Editorial => Bump::None,
        }
    }

    /// Who has to act.
    #[must_use]
    pub const fn affected(self) -> &'static str {
        match self {
            Self::BreakingBinary => {
                "every host and every backend: both have to be rebuilt against one version, and shipped together"
            }
            Self::BreakingSource => {
                "every host and every backend at its next build: sources, bindings and tools that read the header"
            }
            Self::BreakingSemantic => {
                "every host that relies on the old meaning, and every backend that implements it"
            }
            Self::CompatibleAddition => {
                "backends, which have to provide it; hosts only if they use it, and then no older backend will do"
            }
            Self::Editorial => "nobody",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A change of the version number, the smallest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bump {
    /// The version stays.
    None,
    /// 1.0 to 1.1.
    Minor,
    /// 1.0 to 2.0.
    Major,
}

impl Bump {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Minor => "minor",
            Self::Major => "major",
        }
    }
}

macro_rules! rules {
    ($($variant:ident = $id:literal, $class:ident, $title:literal, $why:literal;)*) => {
        /// A kind of difference.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the title of each says it")]
        pub enum Rule { $(#[serde(rename = $id)] $variant,)* }

        impl Rule {
            /// All of them, by class.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name, stable for ever.
            #[must_use]
            pub const fn id(self) -> &'static str { match self { $(Self::$variant => $id),* } }

            /// How much it breaks.
            #[must_use]
            pub const fn class(self) -> Class { match self { $(Self::$variant => Class::$class),* } }

            /// What has changed, in a few words.
            #[must_use]
            pub const fn title(self) -> &'static str { match self { $(Self::$variant => $title),* } }

            /// Why that matters.
            #[must_use]
            pub const fn why(self) -> &'static str { match self { $(Self::$variant => $why),* } }
        }
    };
}

rules! {
    FunctionRemoved = "function-removed", BreakingBinary, "a function is gone",
        "A host that calls it no longer links, or finds a symbol missing when it loads the library. A renamed function is one that is gone and one that is new.";
    SymbolChanged = "symbol-changed", BreakingBinary, "a function has another symbol",
        "The linker looks for a symbol, not for a name in C. An assembler label, or C linkage that is lost in C++, gives the same declaration another symbol, and nothing is found at load time.";
    InternalLinkage = "internal-linkage", BreakingBinary, "a function is private to each translation unit",
        "With `static` every host gets a function of its own and never calls the library.";
    DefinedInline = "defined-inline", BreakingBinary, "a function is defined in the header",
        "An inline or static definition compiles the behaviour into the host, where no new library can change it.";
    VisibilityChanged = "visibility-changed", BreakingBinary, "a function is hidden",
        "A hidden symbol is not exported, so no host finds it.";
    CallingConventionChanged = "calling-convention-changed", BreakingBinary, "a function is called in another way",
        "Caller and callee put arguments into different places.";
    ReturnTypeChanged = "return-type-changed", BreakingBinary, "a function returns another type",
        "The caller reads the result from another register, or with another width or sign. Types are compared on Linux (x86_64, aarch64) and on Windows, where `long` has 4 bytes.";
    ParameterTypeChanged = "parameter-type-changed", BreakingBinary, "a parameter has another type",
        "Caller and callee disagree about where an argument is and how wide it is. Types are compared on Linux (x86_64, aarch64) and on Windows, where `long` has 4 bytes.";
    ParameterAdded = "parameter-added", BreakingBinary, "a function takes one more argument",
        "Callers that are built already do not pass it: the callee reads what lies there by chance.";
    ParameterRemoved = "parameter-removed", BreakingBinary, "a function takes one argument less",
        "Callers that are built already pass it, and those behind it shift.";
    ParametersReordered = "parameters-reordered", BreakingBinary, "parameters have changed places",
        "Callers pass the old order. With equal types no compiler notices; not even the symbols differ.";
    VariadicChanged = "variadic-changed", BreakingBinary, "`...` came or went",
        "Variable arguments travel in another way on several platforms.";
    EnumeratorValueChanged = "enumerator-value-changed", BreakingBinary, "an enumerator has another number",
        "Numbers cross the boundary, names do not: one side says 3 and the other reads something else.";
    EnumerationTypeChanged = "enumeration-type-changed", BreakingBinary, "an enumeration has another type",
        "Width, sign or attributes of the enumeration differ, and with them the layout of whatever holds it.";
    HandleChanged = "handle-changed", BreakingBinary, "a handle is no longer the same opaque type",
        "A handle is an incomplete structure behind a pointer. Completed, hosts depend on its layout; made `void*` or an integer, one handle passes for another and nobody notices.";
    MacroShadows = "macro-shadows", BreakingBinary, "a macro takes the place of a name that is in use",
        "A macro with the name of a keyword, a type, a function or a parameter changes every declaration after it, in the host's own code too.";
    ConditionalCode = "conditional-code", BreakingBinary, "the header depends on something else than the language",
        "With a condition on a platform, a compiler or a macro of the user there is more than one interface: two sides built with different settings both compile and do not fit together. Only `__cplusplus` and the include guard may be asked.";
    PragmaChanged = "pragma-changed", BreakingBinary, "a pragma or another directive came or went",
        "Pragmas such as `pack` change layouts, visibility or diagnostics, often beyond the end of the header. `#error` and `#line` have no place in an interface either.";
    LanguagesDiffer = "languages-differ", BreakingBinary, "C and C++ see different interfaces",
        "The header has to declare one interface in both languages; a C++ host would otherwise call what a C library does not have.";
    LibrarySymbol = "library-lacks-symbol", BreakingBinary, "a library does not export a function",
        "A host that loads the library does not find the function. Only unmangled function symbols of default visibility count.";
    LibrarySignature = "library-signature-differs", BreakingBinary, "a library was built with another signature",
        "The debug information of the library tells how its author declared the function, and that is not how hosts call it.";
    LibrarySoname = "library-soname-differs", BreakingBinary, "a library names another version in its SONAME",
        "The loader finds libraries by their SONAME: one that ends in another major version than the contract's stands for another contract.";
    PrototypeLost = "prototype-lost", BreakingSource, "a function no longer declares its parameters",
        "In C `()` says nothing about parameters, so the compiler lets any call pass. `(void)` says that there is none.";
    QualifierChanged = "qualifier-changed", BreakingSource, "const or another qualifier came or went",
        "Without const a host can no longer pass what it may not change, and the library may write to it; with const a library can no longer write. Bindings change with it.";
    TypeRespelled = "type-respelled", BreakingSource, "a type is written in another way",
        "Today the same on some platform, but the spelled type is what the contract promises: `size_t` and `unsigned long` have other widths elsewhere, and bindings and `_Generic` see the difference.";
    ParameterRenamed = "parameter-renamed", BreakingSource, "a parameter has another name",
        "The name says what the argument means. Documentation, bindings and designated wrappers use it; an exchanged name is an exchanged meaning.";
    AttributesChanged = "attributes-changed", BreakingSource, "a declaration has other attributes",
        "Attributes such as noreturn, nonnull, warn_unused_result, deprecated or weak change what a compiler makes of a call, or whether it accepts it.";
    ExceptionsChanged = "exceptions-changed", BreakingSource, "a function has another exception specification",
        "`noexcept` is part of the type in C++17, so that function pointers no longer match.";
    DefaultArgument = "default-argument", BreakingSource, "a parameter has a default value",
        "Default values exist in C++ only: the two languages no longer have the same interface.";
    EnumeratorRemoved = "enumerator-removed", BreakingSource, "an enumerator is gone",
        "Hosts that name it no longer compile. A renamed enumerator is one that is gone and one that is new.";
    EnumeratorsReordered = "enumerators-reordered", BreakingSource, "enumerators have changed places",
        "The lock has their order; tools that generate tables from it give other results.";
    TypeChanged = "type-changed", BreakingSource, "a type is another one",
        "A type of the interface is declared in another way.";
    TypeRemoved = "type-removed", BreakingSource, "a type is gone",
        "Hosts that name it no longer compile.";
    VariableRemoved = "variable-removed", BreakingSource, "a variable is gone",
        "Hosts that name it no longer compile or link.";
    DeclarationMoved = "declaration-moved", BreakingSource, "a declaration stands in another header",
        "Whoever includes the old header alone does not find it any more.";
    DeclarationsReordered = "declarations-reordered", BreakingSource, "declarations have changed places",
        "The lock has the order of the declarations; generated bindings and tables follow it.";
    DeclarationRepeated = "declaration-repeated", BreakingSource, "something is declared twice",
        "Two declarations can come apart; each thing of the interface stands once.";
    IncludeRemoved = "include-removed", BreakingSource, "an include is gone",
        "Names that came with it are missing, in this header or in hosts that relied on it.";
    IncludeAdded = "include-added", BreakingSource, "there is one more include",
        "It brings names and macros into every host, and may not exist everywhere; `<cuda.h>` even clashes.";
    IncludeEnclosed = "include-enclosed", BreakingSource, "an include stands inside `extern \"C\"`",
        "Headers of the C++ library do not compile inside a block of C linkage.";
    GuardChanged = "guard-changed", BreakingSource, "the include guard is missing or another",
        "Without a guard that encloses the header and is its own, a second inclusion fails, or another header is left out. Hosts may ask for the guard by its name.";
    MacroRemoved = "macro-removed", BreakingSource, "a macro is gone",
        "Hosts that use it, for instance to ask for the version, no longer compile or decide differently.";
    MacroChanged = "macro-changed", BreakingSource, "a macro has another text",
        "Hosts compile it in: two sides built against different texts disagree.";
    MacroUndefined = "macro-undefined", BreakingSource, "a macro of somebody else is taken away",
        "`#undef` changes the code of every host that includes the header.";
    HeaderRemoved = "header-removed", BreakingSource, "a header is gone",
        "Hosts that include it no longer compile.";
    DoesNotCompile = "does-not-compile", BreakingSource, "a header does not compile",
        "Each header has to compile alone, with the others and twice, as C and as C++, for every target.";
    CompilerWarns = "compiler-warns", BreakingSource, "a compiler warns about a header",
        "Hosts that treat warnings as errors no longer compile, and a warning about an interface is seldom wrong.";
    CodeChanged = "code-changed", BreakingSource, "the code has words that it had not",
        "Something stands in a declaration that the parser accepts and does not tell, such as an attribute of the platform. What cannot be judged is not let through.";
    VersionChanged = "version-changed", BreakingSemantic, "the version of the interface is another",
        "Hosts compare it. It changes with a lock, and only with one.";
    RangeChanged = "doc-range-changed", BreakingSemantic, "a number, a range or a unit is documented differently",
        "Values that were valid are not any more, or the other way round; hosts check them before the call.";
    CodesChanged = "doc-codes-changed", BreakingSemantic, "other error codes are documented",
        "Hosts decide by the code what to do: whether to try again, to reload, to give up.";
    NullChanged = "doc-null-changed", BreakingSemantic, "NULL is documented differently",
        "What a function makes of NULL is a promise that hosts build on.";
    OwnershipChanged = "doc-ownership-changed", BreakingSemantic, "ownership or life is documented differently",
        "Who frees what, with which function and in which order: a leak or a double free is the result of a mistake.";
    ThreadsChanged = "doc-threads-changed", BreakingSemantic, "the rules for threads are documented differently",
        "A host that follows the old rule has a race under the new one.";
    ReturnChanged = "doc-return-changed", BreakingSemantic, "the result is documented differently",
        "Hosts branch on the result, and take what it means from here.";
    ParameterMeaningChanged = "doc-parameter-changed", BreakingSemantic, "a parameter is documented differently",
        "The argument means something else than before, or is no longer described.";
    RequirementsChanged = "doc-requirements-changed", BreakingSemantic, "other requirements are named",
        "An identifier in brackets ties a sentence to the requirement by which the suite tests it. Without it the sentence is tested by nobody.";
    ModalityChanged = "doc-modality-changed", BreakingSemantic, "must, may, never or their like came or went",
        "They decide whether a sentence is a duty, a permission or a prohibition.";
    ReferencesChanged = "doc-references-changed", BreakingSemantic, "other parts of the spec are named",
        "The references say what a function rests on.";
    MeaningChanged = "doc-meaning-changed", BreakingSemantic, "a promise is documented differently",
        "A sentence that hosts and backends rely on says something else, has gone, or is new.";
    DocumentationRemoved = "doc-removed", BreakingSemantic, "the documentation of an item is gone",
        "The comment is the contract: without it there is nothing to rely on.";
    FunctionAdded = "function-added", CompatibleAddition, "there is a new function",
        "Existing hosts do not call it. A host that does needs a library that has it, so the version has to say so.";
    TypeAdded = "type-added", CompatibleAddition, "there is a new type",
        "Existing hosts do not use it; its name is taken in their namespace.";
    VariableAdded = "variable-added", CompatibleAddition, "there is a new variable",
        "Existing hosts do not use it. Variables across a boundary are seldom a good idea.";
    EnumeratorAdded = "enumerator-added", CompatibleAddition, "there is a new enumerator",
        "Existing hosts do not know the number and have to treat it as unknown.";
    MacroAdded = "macro-added", CompatibleAddition, "a macro leaks from the header",
        "Its name is taken in every host that includes the header.";
    HeaderAdded = "header-added", CompatibleAddition, "there is a new header",
        "It is part of what is shipped, and so of the contract.";
    CodeAdded = "code-added", CompatibleAddition, "there is a new declaration of another kind",
        "Assertions, templates, namespaces and the like are part of what every host compiles.";
    LibraryRecommendation = "library-recommendation", Editorial, "a library does not follow a recommendation",
        "The contract says SHOULD: the library is sound, and may still surprise hosts, for instance with symbols that take the place of theirs.";
    Reworded = "doc-reworded", Editorial, "a comment is worded differently",
        "The words differ, the facts that were read from them are the same: numbers, codes, requirements, NULL, ownership, threads, negations and duties.";
}

impl Rule {
    /// The rule of this name.
    #[must_use]
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }

    /// All that is known about the rule, for people.
    #[must_use]
    pub fn explain(self) -> String {
        let class = self.class();
        let needs = match class.bump() {
            Bump::None => "nothing: it needs no change record".to_owned(),
            bump => format!("a change record, and a {} version bump", bump.name()),
        };
        format!(
            "{}: {}\n\n  {}\n\n  class     {class}\n  affects   {}\n  needs     {needs}\n",
            self.id(),
            self.title(),
            self.why(),
            class.affected()
        )
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_unique_words_with_hyphens_and_explanations_are_sentences() {
        let names: BTreeSet<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
        assert_eq!(names.len(), Rule::ALL.len());
        for rule in Rule::ALL {
            assert!(rule.id().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{rule}");
            assert_eq!(Rule::from_id(rule.id()), Some(*rule));
            assert!(rule.why().ends_with('.') && rule.why().len() > 20, "{rule}");
            assert!(!rule.title().ends_with('.'), "{rule}");
        }
        assert!(Rule::ALL.is_sorted_by_key(|rule| rule.class()), "the worst first");
    }

    #[test]
    fn an_explanation_says_class_affected_and_need() {
        insta::assert_snapshot!(Rule::ParametersReordered.explain(), @r"
        parameters-reordered: parameters have changed places

          Callers pass the old order. With equal types no compiler notices; not even the symbols differ.

          class     breaking (binary)
          affects   every host and every backend: both have to be rebuilt against one version, and shipped together
          needs     a change record, and a major version bump
        ");
    }
}
