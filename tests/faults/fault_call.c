/* SPDX-License-Identifier: MIT */
/* fault_call KIND N ACTION COMMAND…: runs the command, and does something to its N-th system call of this kind after
 * its main has begun. Writes to standard error do not count. With N = 0 calls are only counted: standard error ends
 * with a line "calls: KIND COUNT" for each kind, and the file PULSE_FAULT_SITES gets a line "KIND N SITE" for each
 * call. SITE is a hash of the first words on the stack that point into the command's own code, most of which are return
 * addresses. So two calls with one SITE come from the same place in the code.
 *
 *     fail   the call is not made and returns an error that fits its kind: ENOSPC, EIO, EMFILE or ENOMEM
 *     cut    only half of the bytes of a read or write are transferred; a writev, a single byte and any other kind fail
 *     kill   the process group is ended by SIGKILL before the call
 *     tear   as cut; after half of a read or write, the group is ended before its next call of any kind
 *     power  as kill; then every file below the folder PULSE_FAULT_FOLDER loses what was added since its last fsync, as
 *            in a power cut. New names are kept
 *     names  as power; also, every new name below that folder (of a new file, of a new folder, or from a rename) is
 *            undone, unless the folder that has the name was synced afterwards
 *     int    the group gets SIGINT, as by Ctrl-C, and the call is made
 *     term   only the command's first process gets SIGTERM, and the call is made
 *     hup    as term, but with SIGHUP
 *
 * If the command never reaches call N, it ends normally; then `power` and `names` cut the power right after its end.
 *
 * The exit code is the command's, 128 + the signal that ended it, or 125 if this tool itself failed. A seccomp filter
 * stops the command only at these calls, so it runs at full speed between them. It needs Linux on x86-64. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__linux__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct { const char *name; int error; long call[8]; } Kind;      // `call` ends with -1; `fail` returns `error`

static const Kind kinds[] = {
    { "write", ENOSPC, { SYS_write, SYS_writev, SYS_pwrite64, -1 } },
    { "read", EIO, { SYS_read, SYS_pread64, -1 } },
    { "open", EMFILE, { SYS_open, SYS_openat, -1 } },
    { "close", EIO, { SYS_close, -1 } },
    { "fsync", EIO, { SYS_fsync, SYS_fdatasync, -1 } },
    { "rename", EIO, { SYS_rename, SYS_renameat, SYS_renameat2, -1 } },
    { "mkdir", ENOSPC, { SYS_mkdir, SYS_mkdirat, -1 } },
    { "mmap", ENOMEM, { SYS_mmap, -1 } },
    { "stat", EIO, { SYS_stat, SYS_lstat, SYS_fstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat, -1 } },
    { "list", EIO, { SYS_getdents64, -1 } },
    { "exec", ENOMEM, { SYS_execve, -1 } },
};
enum { KINDS = sizeof kinds / sizeof *kinds, FILTER_MAX = 128, STACK_WORDS = 2048, SITE_DEPTH = 24, SYNCED_MAX = 4096,
       NAMES_MAX = 4096 };

static const Kind *kind_find(const char *name)
{
    for (size_t k = 0; k < KINDS; k++)
        if (strcmp(kinds[k].name, name) == 0)
            return &kinds[k];
    return NULL;
}

static const Kind *kind_of(long call)
{
    for (size_t k = 0; k < KINDS; k++)
        for (const long *c = kinds[k].call; *c >= 0; c++)
            if (*c == call)
                return &kinds[k];
    return NULL;
}

/* Stops the command at every listed call, and at rt_sigaction, because main begins by ignoring SIGXFSZ. */
static int filter(void)
{
    struct sock_filter code[FILTER_MAX];
    unsigned short n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t k = 0; k <= KINDS; k++)
        for (const long *c = k < KINDS ? kinds[k].call : (const long[]){ SYS_rt_sigaction, -1 }; *c >= 0; c++) {
            code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)*c, 0, 1);
            code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRACE);
        }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { n, code };
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

typedef struct {
    const Kind *kind;
    long at, seen[KINDS];                                 // N; the calls of each kind so far
    const char *action;
    int begun, torn;                                      // main has begun; half of a call was made, so end all
    pid_t root;                                           // the command's first process, and its process group
} Fault;

/* --- where a call was made --- */

static FILE *sites;

/* Finds the addresses of the command's own code. They are the same in every process, without randomisation. */
static int code_of(pid_t who, unsigned long *from, unsigned long *to)
{
    char path[64], line[512], exe[256];
    snprintf(path, sizeof path, "/proc/%d/exe", (int)who);
    const ssize_t n = readlink(path, exe, sizeof exe - 1);
    snprintf(path, sizeof path, "/proc/%d/maps", (int)who);
    FILE *f = n > 0 ? fopen(path, "r") : NULL;
    int found = 0;
    exe[n > 0 ? n : 0] = 0;
    while (f && !found && fgets(line, sizeof line, f))
        found = strstr(line, "r-xp") && strstr(line, exe) && sscanf(line, "%lx-%lx", from, to) == 2;
    if (f)
        fclose(f);
    return found;
}

static unsigned long long site_of(pid_t who, unsigned long stack)
{
    static unsigned long from, to, words[STACK_WORDS];
    unsigned long long hash = 0xcbf29ce484222325u;
    const struct iovec into = { words, sizeof words }, source = { (void *)stack, sizeof words };
    const ssize_t n = process_vm_readv(who, &into, 1, &source, 1, 0);
    if (!to && !code_of(who, &from, &to))
        return 0;
    for (size_t k = 0, depth = 0; n > 0 && k < (size_t)n / sizeof *words && depth < SITE_DEPTH; k++)
        if (words[k] >= from && words[k] < to) {
            hash = (hash ^ words[k]) * 0x100000001b3u;
            depth++;
        }
    return hash;
}

/* --- what has reached the disk --- */

/* The names below PULSE_FAULT_FOLDER that files and folders got when they were made or renamed. `from` is the old name,
 * or "" for a new file or folder. `to` is the new name, or "" once the folder that has it was synced; `device` and
 * `folder` (an inode) tell which folder this is. `kept`: a rename replaced a file, which now is FOLDER.kept-NUMBER. */
static struct { char from[PATH_MAX], to[PATH_MAX]; dev_t device; ino_t folder; int kept; } new_name[NAMES_MAX];
static int new_name_count;

static const char *kept_name(int number)
{
    static char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.kept-%d", getenv("PULSE_FAULT_FOLDER"), number);
    return path;
}

/* Reads the path at `address` in the memory of the process. */
static void path_of(pid_t who, unsigned long long address, char path[PATH_MAX])
{
    char text[PATH_MAX] = "", link[64], folder[PATH_MAX] = "";
    const struct iovec into = { text, sizeof text - 1 }, source = { (void *)(uintptr_t)address, sizeof text - 1 };
    snprintf(link, sizeof link, "/proc/%d/cwd", (int)who);
    if (process_vm_readv(who, &into, 1, &source, 1, 0) <= 0 || (*text != '/' && readlink(link, folder, sizeof folder - 1) < 0)
        || snprintf(path, PATH_MAX, "%s%s%s", folder, *folder ? "/" : "", text) >= PATH_MAX)
        abort();
}

/* Notes the new name that the call is about to make. `to` is the address of this name; `from` is the address of the old
 * name of a rename, or else 0. */
static void note_name(pid_t who, unsigned long long from, unsigned long long to)
{
    const char *below = getenv("PULSE_FAULT_FOLDER");
    const int n = new_name_count;
    char folder[PATH_MAX];
    struct stat st;
    if (!below)
        return;
    if (n == NAMES_MAX)
        abort();
    *new_name[n].from = 0;
    path_of(who, to, new_name[n].to);
    if (from)
        path_of(who, from, new_name[n].from);
    snprintf(folder, sizeof folder, "%s", new_name[n].to);
    *strrchr(folder, '/') = 0;
    if (strncmp(new_name[n].to, below, strlen(below)) != 0 || stat(folder, &st) || (!from && access(new_name[n].to, F_OK) == 0))
        return;
    new_name[n].device = st.st_dev;
    new_name[n].folder = st.st_ino;
    new_name[n].kept = from && link(new_name[n].to, kept_name(n)) == 0;
    new_name_count++;
}

static void note_names(pid_t who, const struct user_regs_struct *r)
{
    const unsigned long long first = r->rdi, second = r->rsi;
    switch (r->orig_rax) {
    case SYS_rename:    note_name(who, first, second); break;
    case SYS_renameat:
    case SYS_renameat2: note_name(who, second, r->r10); break;         // their first and third arguments are folders
    case SYS_mkdir:     note_name(who, 0, first); break;
    case SYS_mkdirat:   note_name(who, 0, second); break;
    case SYS_open:      if (second & O_CREAT) note_name(who, 0, first); break;
    case SYS_openat:    if (r->rdx & O_CREAT) note_name(who, 0, second); break;
    }
}

static void note_folder_sync(const struct stat *folder)
{
    for (int k = 0; k < new_name_count; k++)
        if (new_name[k].device == folder->st_dev && new_name[k].folder == folder->st_ino)
            *new_name[k].to = 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static void undo_names(void)
{
    for (int k = new_name_count - 1; k >= 0; k--)
        if (*new_name[k].to && !*new_name[k].from)
            nftw(new_name[k].to, remove_one, 16, FTW_PHYS | FTW_DEPTH);
        else if (*new_name[k].to && rename(new_name[k].to, new_name[k].from) == 0 && new_name[k].kept)
            rename(kept_name(k), new_name[k].to);
}

static struct { ino_t file; off_t size; } synced[SYNCED_MAX];         // the size of each file at its last fsync
static size_t synced_count;

static void note_sync(pid_t who, int fd)
{
    char path[64];
    struct stat st;
    size_t k = 0;
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)who, fd);
    if (stat(path, &st) != 0)
        return;
    if (S_ISDIR(st.st_mode))
        note_folder_sync(&st);
    if (!S_ISREG(st.st_mode))
        return;
    while (k < synced_count && synced[k].file != st.st_ino)
        k++;
    if (k == SYNCED_MAX)
        abort();
    synced_count += k == synced_count;
    synced[k].file = st.st_ino;
    synced[k].size = st.st_size;
}

/* Cuts a file to the size that it had at its last fsync. */
static int lose(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    off_t size = 0;
    (void)walk;
    for (size_t k = 0; k < synced_count; k++)
        size = synced[k].file == st->st_ino ? synced[k].size : size;
    return kind == FTW_F && st->st_size > size ? truncate(path, size) : 0;
}

static void lose_all(void)
{
    const char *folder = getenv("PULSE_FAULT_FOLDER");
    if (folder)
        nftw(folder, lose, 16, FTW_PHYS);
}

/* --- the fault --- */

static void end_all(const Fault *f)
{
    kill(-f->root, SIGKILL);
}

/* Looks at the call before which the process is stopped, and makes the fault if this is its call. Returns whether the
 * process goes on. */
static int meet(Fault *f, pid_t who)
{
    struct user_regs_struct r;
    if (ptrace(PTRACE_GETREGS, who, 0, &r))
        return 1;
    const long call = (long)r.orig_rax;
    if (f->torn)
        return end_all(f), 0;
    if (call == SYS_rt_sigaction) {
        f->begun |= r.rdi == SIGXFSZ;
        return 1;
    }
    const Kind *kind = kind_of(call);
    if (!f->begun || !kind || (kind == &kinds[0] && r.rdi == STDERR_FILENO))
        return 1;
    const long n = ++f->seen[kind - kinds];
    if (sites && f->at == 0)
        fprintf(sites, "%s %ld %016llx\n", kind->name, n, site_of(who, r.rsp));
    if (n != f->at || kind != f->kind) {
        if (call == SYS_fsync || call == SYS_fdatasync)
            note_sync(who, (int)r.rdi);
        note_names(who, &r);
        return 1;
    }
    const int bytes = f->kind == &kinds[0] || f->kind == &kinds[1];
    if (strcmp(f->action, "kill") == 0 || strcmp(f->action, "power") == 0 || strcmp(f->action, "names") == 0)
        return end_all(f), 0;
    if (strcmp(f->action, "int") == 0)
        return kill(-f->root, SIGINT), 1;
    if (strcmp(f->action, "term") == 0 || strcmp(f->action, "hup") == 0)
        return kill(f->root, *f->action == 't' ? SIGTERM : SIGHUP), 1;
    if (strcmp(f->action, "fail") == 0 || !bytes || r.rdx < 2 || call == SYS_writev) {
        r.orig_rax = (unsigned long long)-1;
        r.rax = (unsigned long long)-f->kind->error;
    } else {
        r.rdx /= 2;
        f->torn = strcmp(f->action, "tear") == 0;
    }
    ptrace(PTRACE_SETREGS, who, 0, &r);
    return 1;
}

static int watch(Fault *f)
{
    int status, code = 125;
    const long options = PTRACE_O_EXITKILL | PTRACE_O_TRACESECCOMP | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK
                       | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;
    if (waitpid(f->root, &status, 0) != f->root || !WIFSTOPPED(status)
        || ptrace(PTRACE_SETOPTIONS, f->root, 0, options))
        return 125;
    ptrace(PTRACE_CONT, f->root, 0, 0);
    for (pid_t who; (who = waitpid(-1, &status, __WALL)) > 0;) {
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (who == f->root)
                code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
            continue;
        }
        const int event = status >> 16, signal = WSTOPSIG(status);
        if (event == PTRACE_EVENT_EXEC)
            f->begun = 0;
        if (event == PTRACE_EVENT_SECCOMP && !meet(f, who))
            continue;
        ptrace(PTRACE_CONT, who, 0, event || signal == SIGSTOP || signal == SIGTRAP ? 0 : signal);
    }
    return code;
}

int main(int argc, char **argv)
{
    static const char *const actions[] = { "fail", "cut", "kill", "tear", "power", "names", "int", "term", "hup" };
    Fault f = { .kind = argc > 4 ? kind_find(argv[1]) : NULL, .at = argc > 4 ? atol(argv[2]) : 0, .action = NULL };
    for (size_t k = 0; argc > 4 && k < sizeof actions / sizeof *actions; k++)
        f.action = strcmp(argv[3], actions[k]) == 0 ? actions[k] : f.action;
    if (!f.kind || !f.action) {
        fputs("fault_call: expected KIND N fail|cut|kill|tear|power|names|int|term|hup COMMAND…; the kinds are write read open close fsync "
              "rename mkdir mmap stat list exec\n", stderr);
        return 125;
    }
    if (getenv("PULSE_FAULT_SITES"))
        sites = fopen(getenv("PULSE_FAULT_SITES"), "w");
    f.root = fork();
    if (f.root == 0) {
        setpgid(0, 0);
        personality(ADDR_NO_RANDOMIZE);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP) || filter())
            _exit(125);
        execvp(argv[4], argv + 4);
        _exit(125);
    }
    const int code = f.root < 0 ? 125 : watch(&f);
    if (strcmp(f.action, "names") == 0)
        undo_names();
    if (strcmp(f.action, "power") == 0 || strcmp(f.action, "names") == 0)
        lose_all();
    if (sites)
        fclose(sites);
    for (size_t k = 0; k < KINDS && f.at == 0; k++)
        fprintf(stderr, "calls: %s %ld\n", kinds[k].name, f.seen[k]);
    return code;
}
#else
int main(void)
{
    fputs("fault_call: only x86-64 Linux is supported\n", stderr);
    return 125;
}
#endif
