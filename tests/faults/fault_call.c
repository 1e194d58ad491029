/* SPDX-License-Identifier: MIT */
/* fault_call KIND N ACTION COMMAND…: runs the command, and does something to the N-th system call of a kind that it makes after its main
 * has begun. N = 0 does nothing; then standard error ends with a line "calls: KIND C" for each kind, how many were seen.
 *
 *     fail   the call is not made and returns an error: ENOSPC, EIO, EMFILE or ENOMEM, as fits the kind
 *     cut    a read or write is asked for half of its bytes; for any other kind as `fail`
 *     kill   the process group is ended by SIGKILL before the call
 *     tear   half of a write is made, and the group is ended before its next call of any kind
 *
 * The exit code is the command's, 128 + the signal that ended it, or 125 where this tool itself failed. A seccomp filter stops the command
 * only at the calls in question, so that it runs at full speed between them. x86-64 Linux. */
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__) && defined(__linux__)
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct { const char *name; int error; long call[4]; } Kind;      // the calls end with -1

static const Kind kinds[] = {
    { "write", ENOSPC, { SYS_write, SYS_writev, SYS_pwrite64, -1 } },
    { "read", EIO, { SYS_read, SYS_pread64, -1 } },
    { "open", EMFILE, { SYS_open, SYS_openat, -1 } },
    { "close", EIO, { SYS_close, -1 } },
    { "fsync", EIO, { SYS_fsync, SYS_fdatasync, -1 } },
    { "rename", EIO, { SYS_rename, SYS_renameat, SYS_renameat2, -1 } },
    { "mkdir", ENOSPC, { SYS_mkdir, SYS_mkdirat, -1 } },
    { "mmap", ENOMEM, { SYS_mmap, -1 } },
    { "stat", EIO, { SYS_stat, SYS_fstat, SYS_newfstatat, -1 } },
    { "exec", ENOMEM, { SYS_execve, -1 } },
};
enum { KINDS = sizeof kinds / sizeof *kinds, FILTER_MAX = 64 };

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

/* Stops at every call of the list, and at rt_sigaction, by which main shows that it has begun: it ignores SIGXFSZ first of all. */
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
    long at, seen[KINDS];
    const char *action;
    int begun, torn;
    pid_t root;
} Fault;

static void end_all(const Fault *f)
{
    kill(-f->root, SIGKILL);
}

/* Returns whether the stopped process goes on. */
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
    if (!f->begun || !kind || (kind == &kinds[0] && r.rdi == STDERR_FILENO) || ++f->seen[kind - kinds] != f->at || kind != f->kind)
        return 1;
    const int bytes = f->kind == &kinds[0] || f->kind == &kinds[1];
    if (strcmp(f->action, "kill") == 0)
        return end_all(f), 0;
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
    if (waitpid(f->root, &status, 0) != f->root || !WIFSTOPPED(status) || ptrace(PTRACE_SETOPTIONS, f->root, 0, options))
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
    static const char *const actions[] = { "fail", "cut", "kill", "tear" };
    Fault f = { .kind = argc > 4 ? kind_find(argv[1]) : NULL, .at = argc > 4 ? atol(argv[2]) : 0, .action = NULL };
    for (size_t k = 0; argc > 4 && k < 4; k++)
        f.action = strcmp(argv[3], actions[k]) == 0 ? actions[k] : f.action;
    if (!f.kind || !f.action) {
        fputs("fault_call: expected KIND N fail|cut|kill|tear COMMAND…; the kinds are write read open close fsync rename mkdir "
              "mmap stat exec\n", stderr);
        return 125;
    }
    f.root = fork();
    if (f.root == 0) {
        setpgid(0, 0);
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) || raise(SIGSTOP) || filter())
            _exit(125);
        execvp(argv[4], argv + 4);
        _exit(125);
    }
    const int code = f.root < 0 ? 125 : watch(&f);
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
