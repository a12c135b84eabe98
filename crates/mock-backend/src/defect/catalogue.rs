//! The defects: a name, the requirement that each breaks, and what it does.

/// A line of the catalogue.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// Which.
    pub defect: Defect,
    /// For `WORKER_MOCK_DEFECT`.
    pub name: &'static str,
    /// ID of the requirement that it breaks.
    pub requirement: &'static str,
    /// What it does.
    pub summary: &'static str,
}

macro_rules! catalogue {
    ($($defect:ident $requirement:literal $name:literal $summary:literal)*) => {
        /// One defect.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Defect {
            $(#[doc = $summary] $defect,)*
        }

        impl Defect {
            /// All of them, in the order of their requirements.
            #[cfg(feature = "defects")]
            pub const ALL: &'static [Entry] = &[
                $(Entry {
                    defect: Defect::$defect,
                    name: $name,
                    requirement: $requirement,
                    summary: $summary,
                },)*
            ];
        }
    };
}

catalogue! {
    SuccessUnwritten "ERR-01" "success-unwritten" "the code is written on failure alone"
    ResidencyUnwritten "ERR-01" "residency-unwritten" "a residency check that succeeds writes no code"
    EndUnwritten "ERR-01" "end-unwritten" "the end of a sequence writes no code"
    RefusedInitZero "ERR-02" "refused-init-says-0" "an init that is refused reports 0"
    HealthTrueWithCode "ERR-02" "third-health-says-99" "the third health check is true and reports 99"
    Code42 "ERR-03" "code-42" "a load that fails reports 42"
    NegativeCode "ERR-03" "negative-code" "a wrong parameter is reported as -5"
    LoadReports4 "ERR-04" "load-reports-4" "a load that fails reports 4"
    SmallBufferReports3 "ERR-04" "small-buffer-reports-3" "a buffer that is too small for its token gets 3"
    StickyCode "ERR-05" "sticky-code" "a call that succeeds reports the code of the failure before it"
    NextSticksToStart "ERR-05" "next-sticks-to-start" "a start reports the code of the next token that was refused before"
    FailedLoadBreaksJobs "ERR-06" "failed-load-breaks-jobs" "no job starts once a load has failed"
    NullBufferBreaksJobs "ERR-06" "null-buffer-breaks-jobs" "no job starts once token_out was NULL"
    ThirdRefusalBreaksJobs "ERR-06" "third-refusal-breaks-jobs" "no job starts once three starts were refused"
    UsageOfFailedLoad "ERR-07" "usage-of-failed-load" "a load that fails writes a usage"
    AbortOnMalformed "ERR-08" "abort-on-malformed" "a malformed model ends the process by abort"
    ExitInFreeMidway "ERR-08" "exit-in-free-midway" "freeing a job after five tokens calls exit"
    CrashAfterUnload "ERR-08" "crash-in-destroy-after-unload" "destroy crashes once a model was unloaded"
    CrashWithoutCode "ERR-09" "crash-without-code" "a failure writes its code to NULL"
    InitWithoutCode "ERR-09" "wrong-device-without-code" "without error_code a wrong device gives a context"
    LoadWithoutCodeLeaks "ERR-09" "load-without-code-leaks" "without error_code a load keeps VRAM for ever"
    NoMessageForIntMin "MSG-01" "no-message-for-int-min" "INT_MIN has no message"
    NoMessageAbove200 "MSG-01" "no-message-above-200" "codes from 200 to 300 have no message"
    EmptyMessage "MSG-02" "empty-message" "the message of 6 is empty"
    LatinMessage "MSG-02" "latin-message" "the message of 7 is in Latin-1"
    FreshMessage "MSG-03" "fresh-message" "each call gets a copy of its own"
    MessageAfterDestroy "MSG-03" "message-after-destroy" "the message of 3 changes with the first destroy"
    TwinMessages "MSG-04" "twin-messages" "4 and 6 have one message"
    OtherMessage "MSG-05" "other-message" "undefined codes have a message of their own"
    MessageRace "MSG-06" "message-race" "two threads that ask at once get the message of 99"
    FreeNullAborts "NULL-01" "free-null-aborts" "freeing a job that is NULL aborts"
    UnloadNullBreaksJobs "NULL-01" "unload-null-breaks-jobs" "no job starts once three NULL models were unloaded"
    NullUsageAccepted "NULL-02" "null-usage-accepted" "a load works without vram_bytes_used"
    NullPathReports3 "NULL-02" "null-path-reports-3" "a path that is NULL is reported as 3"
    NullPromptAccepted "NULL-03" "null-prompt-accepted" "a prompt that is NULL is taken for a word"
    NullModelReports4 "NULL-03" "null-model-reports-4" "a start on NULL reports 4"
    NullBufferReports0 "NULL-04" "null-buffer-reports-0" "a buffer that is NULL looks like the end"
    NullResultReports4 "NULL-04" "null-result-reports-4" "a next token of NULL reports 4"
    NullIndexRefused "NULL-05" "null-index-refused" "token_index NULL is refused"
    NullProcessUsage "NULL-06" "null-process-usage" "the process usage of NULL is not 0"
    NullModelUsage "NULL-06" "null-second-usage" "cuda_get_vram_usage of NULL gives 2^64-1"
    NullHealthy "NULL-07" "null-is-healthy" "a device that is NULL is healthy"
    NullResidencyReports7 "NULL-07" "null-residency-reports-7" "a model that is NULL is reported as 7"
    AllNullLoad "NULL-08" "all-null-load" "a load of nothing but NULL crashes"
    NullOutputs "NULL-08" "null-outputs" "a next token with all its outputs NULL crashes"
    CountAfterInit "DEV-01" "count-after-init" "the count goes down by one with the first context"
    CountBeforeInit "DEV-01" "count-rises" "the fourth call counts one device more"
    NoDeviceWorks "DEV-02" "no-device-works" "device 0 cannot be opened"
    SecondDeviceFails "DEV-02" "second-device-fails" "device 1 cannot be opened"
    CountIsADevice "DEV-03" "count-is-a-device" "the id one past the last opens the last device"
    NegativeIsADevice "DEV-03" "int-min-is-a-device" "INT_MIN opens device 0"
    NoDeviceUnknown "DEV-04" "no-device-unknown" "an init without devices reports 99"
    NoDeviceContext "DEV-04" "no-device-negative" "without devices a negative id reports 5"
    SharedContext "DEV-05" "shared-context" "contexts of one device are one handle"
    DestroyHarmsOthers "DEV-05" "destroy-harms-others" "a destroy makes the device sick for other contexts"
    ContextKeepsVram "DEV-06" "context-keeps-vram" "each context keeps 64 bytes of VRAM"
    ContextKeepsMemory "DEV-06" "fourth-context-keeps-memory" "every fourth context keeps 4 KiB of host memory"
    ContextKeepsDescriptor "DEV-06" "context-keeps-descriptor" "each context keeps a descriptor"
    InitRace "DEV-07" "init-race" "inits at one moment fail"
    Gpt2Refused "LOAD-01" "gpt2-refused" "models of one architecture are refused"
    UsageZero "LOAD-01" "usage-0" "a load reports 0 bytes"
    DirectoryReports99 "LOAD-02" "directory-reports-99" "a directory is reported as 99"
    MissingReports2 "LOAD-02" "missing-reports-2" "a missing file is reported as 2"
    EmptyPathReports2 "LOAD-02" "empty-path-reports-2" "an empty path is reported as 2"
    Version2Loads "LOAD-03" "version-2-loads" "a file of version 2 loads"
    TruncatedLoads "LOAD-03" "truncated-loads" "data past the end counts as zeros"
    ShapeIgnored "LOAD-03" "shape-ignored" "shapes of tensors with the right size are not looked at"
    HugeReports3 "LOAD-04" "huge-reports-3" "a model that is too large is reported as 3"
    HugeBreaksJobs "LOAD-04" "huge-breaks-jobs" "no job starts once a model was too large"
    ReportedPadded "LOAD-05" "reported-padded" "a load reports 256 bytes more than the queries"
    UsageWithoutTensors "LOAD-06" "usage-too-small" "usage is three quarters of the tensors"
    UsageDequantised "LOAD-07" "usage-dequantised" "usage is 128 MiB more than the tensors"
    FailedLoadKeepsVram "LOAD-08" "failed-load-keeps-vram" "a load that fails keeps 64 bytes of VRAM"
    FourthFailedLoadKeepsVram "LOAD-08" "fourth-failed-load-keeps-vram" "every fourth load that fails keeps 64 bytes"
    UnloadKeepsVram "LOAD-09" "unload-keeps-vram" "an unload keeps the VRAM of the model"
    UsedUnloadKeepsVram "LOAD-09" "used-unload-keeps-vram" "an unload keeps 64 bytes if a job ran on the model"
    FileReadAgain "LOAD-10" "file-read-again" "a job reads the model file again"
    FileMissed "LOAD-10" "file-missed" "a job misses the model file once it is gone"
    FileHeldOpen "LOAD-11" "file-held-open" "the model file stays open"
    SecondLoadHarms "LOAD-12" "second-load-harms" "a second model changes the text of the first"
    SecondLoadReports3 "LOAD-12" "second-load-reports-3" "a second model is refused with 3"
    SecondUnloadHarms "LOAD-12" "second-unload-harms" "unloading a second model changes the text of the first"
    OverlapCrashes "LOAD-13" "overlap-crashes" "overlapping tensors end the process"
    OneTokenRefused "INF-01" "one-token-refused" "max_tokens 1 is refused"
    MinusZeroRefused "INF-01" "minus-zero-refused" "temperature -0.0 is refused"
    LastSeedRefused "INF-01" "last-seed-refused" "seed 2^64-1 is refused"
    Tokens2049 "INF-02" "tokens-2049" "max_tokens 2049 is accepted"
    NegativeTokens "INF-02" "negative-tokens" "INT_MIN tokens are taken for one"
    NanAccepted "INF-03" "nan-accepted" "NaN is taken for 0"
    TinyNegativeAccepted "INF-03" "tiny-negative-accepted" "a temperature just below 0 is taken for 0"
    InfinityReports4 "INF-03" "infinity-reports-4" "an infinite temperature is reported as 4"
    ControlRefused "INF-04" "control-refused" "prompts with control characters are refused"
    MarkupFails "INF-04" "markup-refused" "a prompt with markup in it is refused"
    BadPromptAborts "INF-05" "surrogate-aborts" "a surrogate in a prompt ends the process"
    BadPromptBreaksJobs "INF-05" "bad-prompt-breaks-jobs" "no job starts once a prompt was cut in a code point"
    IndexFromOne "INF-06" "index-from-1" "indices begin at 1"
    IndexGoesOn "INF-06" "index-goes-on" "the indices of a job go on where the job before ended"
    IndexGap "INF-06" "index-gap" "index 17 is left out"
    OneTooMany "INF-07" "one-too-many" "a job gives one token more than it may"
    EndReports4 "INF-07" "end-reports-4" "the third call after the end reports 4"
    EndRestarts "INF-07" "end-restarts" "the fourth call after the end begins again"
    ErrorLooksLikeEnd "INF-08" "error-looks-like-end" "a buffer without room gets false with 0"
    ErrorIsTrue "INF-08" "error-is-true" "a buffer without room gets true"
    Truncates "INF-09" "truncates" "a text is cut to the room there is"
    ExactFitRefused "INF-09" "exact-fit-refused" "a text needs a byte more than it is long"
    NegativeSizeTrusted "INF-09" "negative-size-trusted" "a negative size counts as 1024"
    RefusalLosesToken "INF-10" "refusal-loses-token" "a buffer that is too small loses its token"
    FreeAtOnceAborts "INF-11" "free-at-once-aborts" "freeing a job that gave nothing aborts"
    FreeAfterErrorBreaks "INF-11" "free-after-error-breaks" "no job starts once a job was freed after an error"
    JobKeepsUsage "INF-12" "job-keeps-usage" "a job that was freed stays in the model's usage"
    MidwayKeepsVram "INF-12" "midway-keeps-vram" "a job freed midway keeps 64 bytes of VRAM"
    RefusedKeepsVram "INF-12" "refused-keeps-vram" "a job freed after a refusal keeps 64 bytes of VRAM"
    FullContextAborts "INF-13" "full-context-aborts" "the context's end ends the process"
    LongPromptBreaksJobs "INF-13" "long-prompt-breaks-jobs" "no job starts once a prompt was too long"
    JobsLeak "INF-14" "jobs-leak" "every fourth job keeps 64 bytes of VRAM"
    RefusedStartLeaks "INF-14" "refused-start-leaks" "a start that is refused keeps 64 bytes of VRAM"
    SecondJobHarms "INF-15" "second-job-harms" "a second job changes the text of the first"
    SecondJobReports5 "INF-15" "second-job-reports-5" "a second job is refused with 5"
    SecondJobInherits "INF-15" "jobs-share-a-token" "jobs that take turns get tokens of one another"
    BytesNotText "UTF8-01" "bytes-not-text" "the lead byte of a code point is wrong"
    NoNul "UTF8-01" "no-nul" "the text of token 5 has no NUL"
    SplitDropped "UTF8-02" "split-dropped" "a code point that is split over tokens is lost"
    SplitTwice "UTF8-02" "split-twice" "a code point that is split over tokens comes twice"
    AstralRefused "UTF8-03" "astral-refused" "prompts beyond the basic plane are refused"
    RightToLeftFails "UTF8-03" "right-to-left-refused" "Hebrew and Arabic are refused"
    Replacement "UTF8-04" "replacement" "bytes that are no text become U+FFFD"
    ThirdJobDiffers "DET-01" "third-job-differs" "the third job of a process differs"
    FarTokenDiffers "DET-01" "far-token-differs" "token 120 of every second job differs"
    ReloadDiffers "DET-02" "reload-differs" "a reload changes the text"
    ContextDiffers "DET-02" "context-differs" "the text of a second context differs"
    ProcessDiffers "DET-03" "process-differs" "the text depends on the process's number"
    AddressDiffers "DET-03" "address-differs" "the text depends on the library's address"
    SeedMatters "DET-04" "seed-matters" "even seeds change greedy text"
    HighSeedMatters "DET-04" "high-seed-matters" "seeds from 2^32 on change greedy text"
    SampledDiffers "DET-05" "sampled-differs" "every second sampled job differs"
    HighSeedDiffers "DET-05" "high-seed-differs" "sampled jobs differ if the seed is 2^32 or more"
    HotProcessDiffers "DET-05" "hot-process-differs" "at temperature 2 the text depends on the process"
    SeedIgnored "DET-06" "seed-ignored" "all seeds are one"
    UpperSeedOnly "DET-06" "upper-seed-only" "the lower half of a seed is ignored"
    LimitInSeed "DET-07" "limit-in-seed" "max_tokens changes sampled text"
    LastTokenDiffers "DET-07" "last-token-differs" "the last token of a job differs"
    AbandonedJobStays "DET-08" "abandoned-job-stays" "a job that was abandoned changes the next"
    BesideDiffers "DET-08" "beside-differs" "a job on another model changes the text"
    LongJobStays "DET-08" "long-job-stays" "a job of 50 tokens changes the next"
    BufferDiffers "DET-09" "buffer-differs" "a buffer of 64 KiB changes the text"
    NullIndexDiffers "DET-09" "null-index-differs" "token_index NULL changes the text"
    PauseDiffers "DET-09" "pause-differs" "a pause between calls changes the text"
    QueriesDiffer "VRAM-01" "queries-differ" "one of the two queries leaves open jobs out"
    UsageCreeps "VRAM-02" "usage-creeps" "each residency check adds 64 bytes to a usage"
    ProcessHalved "VRAM-03" "process-halved" "process usage is half of what it is"
    ProcessWithoutJobs "VRAM-03" "process-without-jobs" "process usage leaves open jobs out"
    LifeKeepsVram "VRAM-04" "life-keeps-vram" "destroying a context that had a model keeps 64 bytes"
    RefusalKeepsVram "VRAM-04" "refused-init-keeps-vram" "an init that is refused keeps 64 bytes"
    NotResident "HEALTH-01" "not-resident-at-once" "the weights are not resident before the first job"
    NotResidentLater "HEALTH-01" "not-resident-later" "the weights are not resident after the first job"
    SickWithModel "HEALTH-02" "sick-with-model" "a device is sick once it has a model"
    ThirdCheckFails "HEALTH-02" "third-check-fails" "the third health check fails"
    CheckTurns "HEALTH-03" "check-turns-generator" "a check in the middle of a job changes its text"
    CheckTurnsSampled "HEALTH-03" "check-turns-sampled" "a check changes the text of jobs above temperature 1"
    CountPerThread "THR-01" "count-per-thread" "other threads count no device"
    CountRace "THR-01" "count-race" "threads that count at once count none"
    QueryRace "THR-02" "query-race" "usage queries at one moment give 0"
    CheckPerThread "THR-02" "check-per-thread" "residency checks fail on other threads"
    JobRace "THR-03" "job-race" "jobs on several threads at once get other tokens"
    DevicePerThread "THR-04" "device-per-thread" "a start fails on a thread without a context"
    WritesPastEnd "MEM-01" "writes-past-end" "a NUL is written behind the buffer"
    WritesBefore "MEM-01" "writes-before" "the byte before the buffer is written at token 3"
    WideCode "MEM-02" "wide-code" "the code is written as 8 bytes by a health check"
    NarrowUsage "MEM-02" "narrow-usage" "the usage is written as 4 bytes"
    WideIndex "MEM-02" "wide-index" "the index is written as 8 bytes"
    PromptWritten "MEM-03" "prompt-written" "the prompt is written to"
    ReadsPastPath "MEM-03" "reads-past-path" "64 bytes behind the path are read"
    ReadsPastPrompt "MEM-03" "reads-past-prompt" "a prompt is read in words of 16 bytes"
    PromptKept "MEM-04" "prompt-kept" "the prompt is read again by the first token"
    BufferKept "MEM-04" "buffer-kept" "free clears the buffer of the last token"
    CodeKept "MEM-04" "code-kept" "a check writes to the error_code of the load"
    StartLeaks "MEM-05" "start-leaks" "each start keeps 512 bytes of host memory"
    PrintsOnFailure "PROC-01" "prints-on-failure" "a load that fails complains on stderr"
    PrintsLate "PROC-01" "prints-late" "the third token is also printed"
    SignalIgnored "PROC-02" "signal-ignored" "a context ignores SIGUSR2 for the process"
    DirectoryChanged "PROC-02" "directory-changed" "a load changes the working directory"
    VariableSet "PROC-02" "variable-set" "a job sets a variable of the environment"
    LoadKeepsDescriptor "PROC-03" "failed-load-keeps-descriptor" "a load that fails keeps a descriptor"
    MidwayKeepsDescriptor "PROC-03" "midway-keeps-descriptor" "a job freed midway keeps a descriptor"
    KvFaultReports4 "FAULT-01" "kv-fault-reports-4" "no memory for the KV cache is reported as 4"
    LaunchReports4 "FAULT-02" "launch-reports-4" "a kernel that cannot launch is reported as 4"
    LaunchHidden "FAULT-02" "launch-hidden" "a kernel that cannot launch ends the sequence"
    KernelReports6 "FAULT-03" "kernel-reports-6" "a kernel that fails is reported as 6"
    ResidencyHidden "FAULT-04" "residency-hidden" "weights that are gone are not noticed"
    SickReports99 "FAULT-05" "sick-reports-99" "a sick device is reported as 99"
    OomReports4 "FAULT-06" "oom-reports-4" "no memory during generation is reported as 4"
    FaultSticks "FAULT-07" "fault-sticks" "text differs once a kernel failed to launch"
    MiddleFreeHarms "INF-15" "middle-free-harms" "freeing the middle one of three jobs changes the text of the youngest"
    ThirdLoadResets "LOAD-12" "third-load-resets" "the third load of a thread changes the text of a job of its first model that is midway"
    IndexOfOtherModel "INF-06" "index-of-other-model" "indices go on from another model's job that was freed after a refusal"
    ElderFreeKeepsUsage "INF-12" "elder-free-keeps-usage" "usage stays too high if the elder of two jobs is freed first"
    RefusedStartDraws "ERR-06" "refused-start-draws" "a refused start changes the text of sampled jobs whose last buffer was refused"
    ElderUnloadEvicts "HEALTH-01" "elder-unload-evicts" "the unload of an elder model evicts the weights of one with an open job"
    DestroyForgetsJobs "VRAM-03" "destroy-forgets-jobs" "process usage is halved once a context went in the middle of a job"
    EndForgotten "INF-07" "end-forgotten" "a job that ended gives tokens again once another began on its model"
    UnusedUnloadBreaks "ERR-06" "unused-unload-breaks" "no job starts once a load has failed and an unused model was unloaded"
    SeedOfNeighbour "INF-15" "seed-of-neighbour" "a sampled job beside a greedy one draws with the seed of that"
    NoJobAfterOom "FAULT-07" "no-job-after-oom" "no job starts once memory ran out during generation"
}

#[cfg(all(test, feature = "defects"))]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_are_different() {
        let names: HashSet<_> = Defect::ALL.iter().map(|entry| entry.name).collect();
        assert_eq!(names.len(), Defect::ALL.len());
    }
}
