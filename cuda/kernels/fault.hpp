// SPDX-License-Identifier: Apache-2.0 OR MIT
/// Injected faults (FAULT-01 to FAULT-06), read anew whenever one could strike; compiled only with
/// `WORKER_CUDA_FAULTS`.
///
/// `WORKER_CUDA_FAULTS`, and the content of the file that `WORKER_CUDA_FAULTS_FILE` names, hold faults separated by
/// commas or white space: `kind[@token=N][:times=M]`.
///
/// | kind | strikes in | as | code |
/// |---|---|---|---|
/// | `kv_alloc` | `Site::Start` | an allocation that fails | 2 |
/// | `kernel_launch` | `Site::Token` | a launch that is refused | 6 |
/// | `kernel_exec` | `Site::Token` | a synchronisation that reports a failed kernel | 4 |
/// | `oom` | `Site::Token` | an allocation that fails | 2 |
/// | `residency` | `Site::Residency` | an allocation that is host memory | 7 |
/// | `device_sick` | `Site::Health` | a launch or synchronisation that fails | 1 |
///
/// `@token=N` strikes only the call that would give index N. `:times=M` strikes M times in the process, then clears.
/// An entry point that may be struck opens a `Scope`; outside of one nothing strikes. A call that allocates nothing of
/// its own asks `strikes(Kind::Allocation)` once itself. Unknown words are ignored: a library cannot complain.
#pragma once

#include <cstdint>
#ifdef WORKER_CUDA_FAULTS
#include <string>
#endif

namespace worker::fault {

/// Where the calling thread is.
enum class Site : std::uint8_t { None, Start, Token, Residency, Health };

/// What an operation asks about.
enum class Kind : std::uint8_t { Allocation, Launch, Execution, Residency };

#ifdef WORKER_CUDA_FAULTS

/// Names the site for the calling thread while it lives; `token` is the index that the call would give.
class Scope {
   public:
    explicit Scope(Site site, std::int64_t token = -1) noexcept;
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    Site site() const noexcept { return site_; }
    std::int64_t token() const noexcept { return token_; }
    /// The faults as they stand; read once a scope.
    const std::string& text();

   private:
    Site site_;
    std::int64_t token_;
    Scope* outer_;
    bool read_ = false;
    std::string text_;
};

/// Whether a fault strikes an operation of `kind` here and now; counts the strike.
bool strikes(Kind kind) noexcept;

#else

class Scope {
   public:
    explicit constexpr Scope(Site, std::int64_t = -1) noexcept {}
};

constexpr bool strikes(Kind) noexcept { return false; }

#endif

}  // namespace worker::fault
