#ifdef LINKED
#define LOOK_UP(name) lib.name = cuda_##name
#else
#define LOOK_UP(name) lib.name = (__typeof__(&cuda_##name))find("cuda_" #name)
#endif
#define MAYBE static __attribute__((unused))
#define MAYBE_VARIABLE __attribute__((unused))
#define PAGE 4096UL
#define POISON 0xF5
#define MOST_PIECES 256
#define MOST_ROUNDS 64

/* What a call may give: success, false with 0, a failure whose code was not asked for, or a failure with a code. */
#define GOOD (1u << 31)
#define END (1u << 30)
#define NO_CODE (1u << 29)
#define CODE(n) (1u << ((n) == 99 ? 10 : (n)))

static struct {
    __typeof__(&cuda_init) init;
    __typeof__(&cuda_destroy) destroy;
    __typeof__(&cuda_get_device_count) get_device_count;
    __typeof__(&cuda_load_model) load_model;
    __typeof__(&cuda_unload_model) unload_model;
    __typeof__(&cuda_model_get_vram_usage) model_get_vram_usage;
    __typeof__(&cuda_inference_start) inference_start;
    __typeof__(&cuda_inference_next_token) inference_next_token;
    __typeof__(&cuda_inference_free) inference_free;
    __typeof__(&cuda_check_vram_residency) check_vram_residency;
    __typeof__(&cuda_get_vram_usage) get_vram_usage;
    __typeof__(&cuda_get_process_vram_usage) get_process_vram_usage;
    __typeof__(&cuda_check_device_health) check_device_health;
    __typeof__(&cuda_error_message) error_message;
} lib;

static const char *library;
static int report = 1;         /* what this program prints goes here */
static int captured = -1;      /* what the library prints goes here */
static int watched;            /* whether changes of the process count */
static int untouched;          /* whether a failed load must leave vram_bytes_used alone (ERR-07) */
static int one_unknown;        /* whether codes that are none have the message of 99 (MSG-05) */
static int lossless;           /* whether a refusal may lose no token (INF-10) */
static int quiet;              /* whether calls are listed */
static int base_count = -1;    /* devices, as a process of its own counts them */
static volatile int inside;    /* calls under way */
static volatile int learning;  /* in the child that learns a text */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local const char *current = "no call";
static _Thread_local const char *wanted = "the process goes on";

/* The fault shows: says so and leaves. Only what a signal handler may do. */
static void say(const char *text) {
    if (write(report, text, strlen(text)) < 0) _exit(1);
}

__attribute__((noreturn)) static void fault(const char *observed) {
    if (learning) _exit(3);
    say("\nat        ");
    say(current);
    say("\nexpected  ");
    say(wanted);
    say("\nobserved  ");
    say(observed);
    say("\n");
    _exit(1);
}

static void on_signal(int number) {
    switch (number) {
        case SIGSEGV: fault("SIGSEGV");
        case SIGBUS: fault("SIGBUS");
        case SIGABRT: fault("SIGABRT");
        case SIGFPE: fault("SIGFPE");
        case SIGILL: fault("SIGILL");
        case SIGALRM: fault("no return within 20 s");
        default: fault("a signal");
    }
}

static void on_exit_inside(void) {
    if (inside > 0 && !learning) fault("the process exits");
}

#ifndef LINKED
static void *find(const char *name) {
    static void *handle;
    if (!handle) handle = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    void *symbol = handle ? dlsym(handle, name) : NULL;
    if (!symbol) {
        dprintf(report, "cannot use `%s`: %s\n", library, dlerror());
        _exit(2);
    }
    return symbol;
}
#endif

static void open_library(void) {
    LOOK_UP(init);
    LOOK_UP(destroy);
    LOOK_UP(get_device_count);
    LOOK_UP(load_model);
    LOOK_UP(unload_model);
    LOOK_UP(model_get_vram_usage);
    LOOK_UP(inference_start);
    LOOK_UP(inference_next_token);
    LOOK_UP(inference_free);
    LOOK_UP(check_vram_residency);
    LOOK_UP(get_vram_usage);
    LOOK_UP(get_process_vram_usage);
    LOOK_UP(check_device_health);
    LOOK_UP(error_message);
}

/* Memory of the caller: poisoned, between inaccessible pages, and gone once the call is over. */
struct piece {
    unsigned char *pages, *start;
    size_t length, size;
};

static struct piece take(size_t size, int at_start) {
    struct piece piece = {.size = size};
    piece.length = (size + PAGE - 1) / PAGE * PAGE;
    if (piece.length == 0) piece.length = PAGE;
    unsigned char *base = mmap(NULL, piece.length + 2 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) _exit(2);
    piece.pages = base + PAGE;
    mprotect(piece.pages, piece.length, PROT_READ | PROT_WRITE);
    memset(piece.pages, POISON, piece.length);
    piece.start = at_start ? piece.pages : piece.pages + piece.length - size;
    /* Without room there is nothing to touch at all. */
    if (size == 0) mprotect(piece.pages, piece.length, PROT_NONE);
    return piece;
}

static void give_back(struct piece *piece) { mprotect(piece->pages, piece->length, PROT_NONE); }

static struct piece text_piece(const char *text) {
    struct piece piece = take(strlen(text) + 1, 0);
    memcpy(piece.start, text, piece.size);
    mprotect(piece.pages, piece.length, PROT_READ);
    return piece;
}

static int intact(const struct piece *piece, size_t from, size_t to) {
    for (size_t at = 0; at < piece->length; at++)
        if ((at < from || at >= to) && piece->pages[at] != POISON) return 0;
    return 1;
}

/* The out-parameters of a call. */
struct outs {
    struct piece page;
    int *code, *index, code_value, index_value;
    uint64_t *vram, vram_value;
};

/* What must not change in a process (PROC-01, PROC-02). */
static uint64_t process_state(void) {
    uint64_t hash = 1469598103934665603u;
#define MIX(data, count)                                                                                      \
    for (size_t i_ = 0; i_ < (size_t)(count); i_++)                                                           \
    hash = (hash ^ ((const unsigned char *)(data))[i_]) * 1099511628211u
    char folder[PAGE];
    if (getcwd(folder, sizeof folder)) MIX(folder, strlen(folder));
    for (char **one = environ; one && *one; one++) MIX(*one, strlen(*one));
    for (int number = 1; number < 65; number++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        if (sigaction(number, NULL, &action) == 0) MIX(&action.sa_sigaction, sizeof action.sa_sigaction);
    }
    sigset_t mask;
    memset(&mask, 0, sizeof mask);
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    MIX(&mask, sizeof(unsigned long));
    int rounding = fegetround();
    MIX(&rounding, sizeof rounding);
    const char *locale = setlocale(LC_ALL, NULL);
    if (locale) MIX(locale, strlen(locale));
    mode_t mode = umask(077);
    umask(mode);
    MIX(&mode, sizeof mode);
    off_t printed = captured < 0 ? 0 : lseek(captured, 0, SEEK_CUR);
    MIX(&printed, sizeof printed);
    return hash;
}

static _Thread_local uint64_t state_before;

static struct outs begin(const char *what, const char *expected, int code, int index, int vram) {
    struct outs outs = {.page = take(PAGE, 1)};
    outs.code = code ? (int *)(outs.page.start + 512) : NULL;
    outs.index = index ? (int *)(outs.page.start + 1536) : NULL;
    outs.vram = vram ? (uint64_t *)(outs.page.start + 2560) : NULL;
    current = what;
    wanted = expected;
    if (!quiet && !learning) dprintf(report, "  %s", what);
    if (watched) state_before = process_state();
    __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    alarm(20);
    return outs;
}

static void end(struct outs *outs) {
    alarm(0);
    __atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
    unsigned char *page = outs->page.start;
    memcpy(&outs->code_value, page + 512, 4);
    memcpy(&outs->index_value, page + 1536, 4);
    memcpy(&outs->vram_value, page + 2560, 8);
    if (outs->code) memset(page + 512, POISON, 4);
    if (outs->index) memset(page + 1536, POISON, 4);
    if (outs->vram) memset(page + 2560, POISON, 8);
    if (!intact(&outs->page, 0, 0)) fault("memory beside an out-parameter was written");
    if (outs->code && outs->code_value != (int)0xF5F5F5F5 && (outs->code_value >> 16) == (int)0xFFFFF5F5)
        fault("only a part of error_code was written");
    if (outs->vram && outs->vram_value != 0xF5F5F5F5F5F5F5F5u && outs->vram_value >> 32 == 0xF5F5F5F5u)
        fault("only a part of vram_bytes_used was written");
    give_back(&outs->page);
    if (watched && process_state() != state_before) fault("the call changed the process, or printed something");
}

/* Whether the result is one of those permitted. */
static void judge(int good, const struct outs *outs, unsigned permit, const char *yes, const char *no) {
    char observed[160];
    int code = outs->code_value, passed = outs->code != NULL;
    int written = passed && code != (int)0xF5F5F5F5;
    if (passed && !written)
        snprintf(observed, sizeof observed, "%s, error_code not written", good ? yes : no);
    else if (passed)
        snprintf(observed, sizeof observed, "%s, code %d", good ? yes : no, code);
    else
        snprintf(observed, sizeof observed, "%s", good ? yes : no);
    if (!quiet && !learning) dprintf(report, ": %s\n", observed);
    int fine;
    if (passed && !written)
        fine = 0;
    else if (good)
        fine = (permit & GOOD) != 0 && (!passed || code == 0);
    else if (!passed)
        fine = (permit & ~GOOD) != 0;
    else if (code == 0)
        fine = (permit & END) != 0;
    else
        fine = ((code >= 1 && code <= 8) || code == 99) && (permit & CODE(code)) != 0;
    if (!fine) fault(observed);
}

static int is_utf8(const unsigned char *text) {
    while (*text) {
        int more = *text < 0x80 ? 0 : (*text & 0xE0) == 0xC0 ? 1 : (*text & 0xF0) == 0xE0 ? 2 : (*text & 0xF8) == 0xF0 ? 3 : -1;
        if (more < 0 || *text == 0xC0 || *text == 0xC1 || *text > 0xF4) return 0;
        unsigned value = more == 0 ? *text : *text & (0x3Fu >> more);
        for (int at = 1; at <= more; at++) {
            if ((text[at] & 0xC0) != 0x80) return 0;
            value = value << 6 | (text[at] & 0x3Fu);
        }
        if ((more == 2 && value < 0x800) || (more == 3 && value < 0x10000)) return 0;
        if ((value >= 0xD800 && value <= 0xDFFF) || value > 0x10FFFF) return 0;
        text += more + 1;
    }
    return 1;
}

/* A text, learnt from its job alone in a process of its own. */
struct text {
    int known, count, ends;
    char *piece[MOST_PIECES];
};

struct job {
    InferenceResult *handle;
    const struct text *text;
    int most, given, ended, refused, failed, beyond;
};

/* Live contexts: no two are one. */
#define MOST_CONTEXTS 64
static void *contexts[MOST_CONTEXTS];

MAYBE void forget_context(void *ctx) {
    pthread_mutex_lock(&lock);
    for (int at = 0; at < MOST_CONTEXTS; at++)
        if (contexts[at] == ctx) contexts[at] = NULL;
    pthread_mutex_unlock(&lock);
}

MAYBE CudaContext *call_init(const char *what, const char *expected, int device, int code, unsigned permit) {
    struct outs outs = begin(what, expected, code, 0, 0);
    CudaContext *ctx = lib.init(device, outs.code);
    end(&outs);
    judge(ctx != NULL, &outs, permit, "a handle", "NULL");
    pthread_mutex_lock(&lock);
    for (int at = 0; ctx && at < MOST_CONTEXTS; at++)
        if (contexts[at] == ctx) fault("the handle of a live context");
    for (int at = 0; ctx && at < MOST_CONTEXTS; at++)
        if (!contexts[at]) {
            contexts[at] = ctx;
            break;
        }
    pthread_mutex_unlock(&lock);
    return ctx;
}

MAYBE CudaModel *call_load(const char *what, const char *expected, CudaContext *ctx, const char *path, int vram,
                           int code, unsigned permit, uint64_t *reported) {
    struct outs outs = begin(what, expected, code, 0, vram);
    struct piece text = path ? text_piece(path) : (struct piece){0};
    CudaModel *model = lib.load_model(ctx, path ? (const char *)text.start : NULL, outs.vram, outs.code);
    end(&outs);
    if (path) give_back(&text);
    judge(model != NULL, &outs, permit, "a handle", "NULL");
    if (model && vram && (outs.vram_value == 0 || outs.vram_value == 0xF5F5F5F5F5F5F5F5u))
        fault("vram_bytes_used is 0, or not written");
    if (untouched && !model && vram && outs.vram_value != 0 && outs.vram_value != 0xF5F5F5F5F5F5F5F5u)
        fault("vram_bytes_used was written by a load that failed");
    *reported = outs.vram_value;
    return model;
}

MAYBE void call_start(const char *what, const char *expected, struct job *job, CudaModel *model, const char *prompt,
                      int max_tokens, float temperature, uint64_t seed, int code, unsigned permit,
                      const struct text *known) {
    struct outs outs = begin(what, expected, code, 0, 0);
    struct piece text = prompt ? text_piece(prompt) : (struct piece){0};
    *job = (struct job){.text = known && known->known ? known : NULL, .most = max_tokens};
    job->handle =
        lib.inference_start(model, prompt ? (const char *)text.start : NULL, max_tokens, temperature, seed, outs.code);
    end(&outs);
    if (prompt) give_back(&text);
    judge(job->handle != NULL, &outs, permit, "a handle", "NULL");
}

/* Whether a token is the known one; the last of a job may bring the rest of a code point as U+FFFD. */
static int same_text(const char *piece, const char *found, int last) {
    size_t length = strlen(piece);
    return strcmp(piece, found) == 0 ||
           (last && strncmp(piece, found, length) == 0 && strcmp(found + length, "\xEF\xBF\xBD") == 0);
}

MAYBE void call_next(const char *what, const char *expected, struct job *job, int buffer, int size, int at_start,
                     int index, int code) {
    char told[4096], seen[4096];
    const char *piece = NULL;
    int over = job->ended || job->given >= job->most;
    int known = job->text && !job->failed && (lossless || !job->refused);
    if (known && !over && job->given < job->text->count) piece = job->text->piece[job->given];
    int ends = over || (known && job->text->ends && job->given >= job->text->count);
    int room = size > 0 ? size : 0;
    unsigned permit = GOOD | END | CODE(2) | CODE(4) | CODE(5) | CODE(6) | CODE(99);
    if (!job->handle || !buffer) {
        permit = job->handle && job->ended ? END | CODE(5) : CODE(5);
        snprintf(told, sizeof told, "false with 5: a pointer is NULL");
    } else if (job->ended) {
        permit = size < 1024 ? END | CODE(5) : END;
        snprintf(told, sizeof told, "false with 0, as at the call before");
    } else if (room == 0) {
        permit = over ? END | CODE(5) : job->failed ? permit & ~GOOD & ~END : CODE(5);
        snprintf(told, sizeof told, "false with 5: the buffer has no room");
    } else if (ends) {
        permit = END;
        snprintf(told, sizeof told, "false with 0 after %d tokens, as the job ends alone", job->given);
    } else if (piece && (size_t)room <= strlen(piece)) {
        permit = CODE(5);
        snprintf(told, sizeof told, "false with 5: \"%s\" and its NUL do not fit into %d bytes", piece, room);
    } else if (piece) {
        permit = GOOD;
        snprintf(told, sizeof told, "token %d is \"%s\", as the job gives it alone", job->given, piece);
    } else if (room >= 1024 && !job->failed && !job->beyond) {
        permit = GOOD | END;
        snprintf(told, sizeof told, "a token, or false with 0 at the end");
    } else {
        snprintf(told, sizeof told, "%s", expected);
    }
    if (!code) permit |= NO_CODE;
    struct outs outs = begin(what, told, code, index, 0);
    struct piece memory = buffer ? take((size_t)room, at_start) : (struct piece){0};
    int good = lib.inference_next_token(job->handle, buffer ? (char *)memory.start : NULL, size, outs.index, outs.code);
    end(&outs);
    judge(good != 0, &outs, permit, "true", "false");
    if (good != 0 && good != 1) fault("a bool that is neither 0 nor 1");
    if (!job->handle) return;
    if (buffer && room > 0) {
        size_t from = (size_t)(memory.start - memory.pages);
        unsigned char *text = memory.start;
        if (!intact(&memory, from, from + (size_t)room)) fault("memory outside the buffer was written");
        if (good && !memchr(text, 0, (size_t)room)) fault("a text without a NUL");
        if (good && !is_utf8(text)) fault("a text that is not UTF-8");
        if (good && piece && !same_text(piece, (const char *)text, job->given + 1 == job->most)) {
            snprintf(seen, sizeof seen, "token %d is \"%s\"", job->given, (const char *)text);
            fault(seen);
        }
        give_back(&memory);
    }
    if (good) {
        if (index && (lossless || !job->refused) && outs.index_value != job->given) {
            snprintf(told, sizeof told, "index %d", job->given);
            wanted = told;
            snprintf(seen, sizeof seen, "index %d", outs.index_value);
            fault(seen);
        }
        job->given++;
    } else if (code && outs.code_value == 0) {
        job->ended = 1;
    } else {
        job->refused = 1;
        if (code && outs.code_value != 5) job->failed = 1;
    }
}

MAYBE void call_void(const char *what, const char *expected, int kind, void *handle) {
    struct outs outs = begin(what, expected, 0, 0, 0);
    if (kind == 0 && handle) forget_context(handle);
    if (kind == 0) lib.destroy(handle);
    if (kind == 1) lib.unload_model(handle);
    if (kind == 2) lib.inference_free(handle);
    end(&outs);
    if (!quiet) dprintf(report, ": returned\n");
}

MAYBE void call_check(const char *what, const char *expected, int health, void *handle, int code, unsigned permit) {
    struct outs outs = begin(what, expected, code, 0, 0);
    int good = health ? lib.check_device_health(handle, outs.code) : lib.check_vram_residency(handle, outs.code);
    end(&outs);
    judge(good != 0, &outs, permit, "true", "false");
}

/* A figure in bytes; `least` and `most` bound it. */
MAYBE uint64_t call_usage(const char *what, const char *expected, int kind, void *handle, uint64_t least,
                          uint64_t most) {
    char seen[64];
    struct outs outs = begin(what, expected, 0, 0, 0);
    uint64_t bytes = kind == 0   ? lib.model_get_vram_usage(handle)
                     : kind == 1 ? lib.get_vram_usage(handle)
                                 : lib.get_process_vram_usage(handle);
    end(&outs);
    snprintf(seen, sizeof seen, "%llu bytes", (unsigned long long)bytes);
    if (!quiet) dprintf(report, ": %s\n", seen);
    if (bytes < least || bytes > most) fault(seen);
    return bytes;
}

MAYBE void call_count(const char *what, const char *expected) {
    char seen[32];
    struct outs outs = begin(what, expected, 0, 0, 0);
    int count = lib.get_device_count();
    end(&outs);
    snprintf(seen, sizeof seen, "%d", count);
    if (!quiet) dprintf(report, ": %s\n", seen);
    if (count < 0 || (base_count >= 0 && count != base_count)) fault(seen);
}

MAYBE void call_message(const char *what, const char *expected, int code) {
    static struct {
        int code;
        const char *text;
        char copy[256];
    } seen[64];
    static int count;
    struct outs outs = begin(what, expected, 0, 0, 0);
    const char *text = lib.error_message(code);
    end(&outs);
    if (!quiet) dprintf(report, ": %s\n", text ? text : "NULL");
    if (!text) fault("NULL");
    if (!*text || !is_utf8((const unsigned char *)text)) fault("a message that is empty or not UTF-8");
    pthread_mutex_lock(&lock);
    int ten = (code >= 0 && code <= 8) || code == 99;
    for (int at = 0; at < count; at++) {
        int same = strncmp(seen[at].copy, text, sizeof seen[at].copy - 1) == 0;
        if (seen[at].code == code && (seen[at].text != text || !same)) fault("another pointer or text than before");
        int other_ten = (seen[at].code >= 0 && seen[at].code <= 8) || seen[at].code == 99;
        if (ten && other_ten && seen[at].code != code && same) fault("the message of another code");
        if (one_unknown && !ten && seen[at].code == 99 && !same) fault("another message than that of 99");
    }
    if (count < 64) {
        seen[count].code = code;
        seen[count].text = text;
        snprintf(seen[count].copy, sizeof seen[count].copy, "%s", text);
        count++;
    }
    pthread_mutex_unlock(&lock);
}

/* A process of its own: this program anew, which learns number `which` and writes it to `out`. */
static pid_t anew(int which, int out) {
    char number[16], descriptor[16];
    snprintf(number, sizeof number, "%d", which);
    snprintf(descriptor, sizeof descriptor, "%d", out);
    pid_t child = fork();
    if (child == 0) {
        execl("/proc/self/exe", "repro", library ? library : "", "--learn", number, descriptor, (char *)NULL);
        _exit(3);
    }
    return child;
}

static int asked = -2; /* what this process is to learn; -1 the device count, -2 nothing */
static int answer;     /* where to write it */

/* Learns a text from its job alone in another process, which is gone before this one loads the library. */
MAYBE void learn(int which, struct text *text, const char *path, const char *prompt, float temperature, uint64_t seed,
                 int most) {
    if (asked == which) {
        learning = 1;
        uint64_t reported;
        open_library();
        CudaContext *ctx = call_init("", "", 0, 1, GOOD);
        CudaModel *model = call_load("", "", ctx, path, 1, 1, GOOD, &reported);
        struct job job;
        call_start("", "", &job, model, prompt, most, temperature, seed, 1, GOOD, NULL);
        for (int at = 0; at <= most; at++) {
            char buffer[4096];
            int index, code = -1;
            memset(buffer, 0, sizeof buffer);
            int length = lib.inference_next_token(job.handle, buffer, sizeof buffer, &index, &code)
                             ? (int)strnlen(buffer, sizeof buffer)
                             : (code == 0 ? -1 : -2);
            if (write(answer, &length, sizeof length) < 0) _exit(3);
            if (length < 0) break;
            if (length > 0 && write(answer, buffer, (size_t)length) < 0) _exit(3);
        }
        _exit(0);
    }
    int ends[2], length;
    if (asked != -2 || pipe(ends) != 0) return;
    pid_t child = anew(which, ends[1]);
    close(ends[1]);
    alarm(60);
    while (text->count < MOST_PIECES && read(ends[0], &length, sizeof length) == (ssize_t)sizeof length) {
        if (length < 0) {
            text->ends = length == -1 && text->count < most;
            break;
        }
        char *piece = calloc(1, (size_t)length + 1);
        for (int at = 0; piece && at < length;) {
            ssize_t got = read(ends[0], piece + at, (size_t)(length - at));
            if (got <= 0) break;
            at += (int)got;
        }
        text->piece[text->count++] = piece;
    }
    alarm(0);
    close(ends[0]);
    waitpid(child, NULL, 0);
    text->known = text->count > 0 || text->ends;
}

MAYBE void learn_count(void) {
    int ends[2], count = -1;
    if (asked == -1) {
        learning = 1;
        open_library();
        count = lib.get_device_count();
        if (write(answer, &count, sizeof count) < 0) _exit(3);
        _exit(0);
    }
    if (asked != -2 || pipe(ends) != 0) return;
    pid_t child = anew(-1, ends[1]);
    close(ends[1]);
    if (read(ends[0], &count, sizeof count) == (ssize_t)sizeof count) base_count = count;
    close(ends[0]);
    waitpid(child, NULL, 0);
}

/* Growth over rounds: the first third is warm-up, and the rest must rise twice. */
MAYBE void judge_growth(const char *what, const uint64_t *figures, int count, uint64_t tolerance) {
    const uint64_t *rest = figures + count / 3;
    int length = count - count / 3, quarter = length / 4, rises = 0;
    if (quarter == 0) return;
    uint64_t low[4], high[4];
    for (int part = 0; part < 4; part++) {
        int from = part * quarter, to = part == 3 ? length : from + quarter;
        low[part] = high[part] = rest[from];
        for (int at = from; at < to; at++) {
            if (rest[at] < low[part]) low[part] = rest[at];
            if (rest[at] > high[part]) high[part] = rest[at];
        }
    }
    for (int at = 1; at < length; at++) rises += rest[at] > rest[at - 1];
    if (low[2] > high[0] && low[3] > high[1] && low[3] > high[0] + tolerance && rises > 1) {
        char seen[128];
        current = "all rounds";
        wanted = what;
        snprintf(seen, sizeof seen, "from %llu to %llu", (unsigned long long)high[0], (unsigned long long)low[3]);
        fault(seen);
    }
}

MAYBE uint64_t open_descriptors(void) {
    uint64_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    while (folder && readdir(folder)) count++;
    if (folder) closedir(folder);
    return count;
}

static void prepare(int argc, char **argv, int capture) {
    library = argc > 1 ? argv[1] : NULL;
    if (argc == 5 && strcmp(argv[2], "--learn") == 0) {
        asked = atoi(argv[3]);
        answer = atoi(argv[4]);
    }
#ifndef LINKED
    if (!library) {
        fprintf(stderr, "usage: %s LIBRARY\n", argv[0]);
        exit(2);
    }
#endif
    setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 0);
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGALRM};
    stack_t stack = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16};
    sigaltstack(&stack, NULL);
    for (size_t at = 0; at < sizeof numbers / sizeof *numbers; at++) {
        struct sigaction action;
        memset(&action, 0, sizeof action);
        action.sa_handler = on_signal;
        action.sa_flags = SA_ONSTACK;
        sigaction(numbers[at], &action, NULL);
    }
    atexit(on_exit_inside);
    if (capture) {
        char name[] = "/tmp/repro-output-XXXXXX";
        report = dup(1);
        captured = mkstemp(name);
        if (captured < 0) _exit(2);
        unlink(name);
        dup2(captured, 1);
        dup2(captured, 2);
        setvbuf(stdout, NULL, _IONBF, 0);
    }
}

MAYBE void need_file(const char *path) {
    if (access(path, R_OK) != 0) {
        dprintf(report, "the model `%s` cannot be read; name another with -D\n", path);
        exit(2);
    }
}
