"""Which system calls a process may make: what Docker's default profile allows to Docker's capabilities.

Calls are refused with EPERM. Unknown and newer ones answer ENOSYS, and so does clone3, whose flags a
filter cannot see: C libraries then fall back to an older call.
"""

from __future__ import annotations

from lamina.sandbox.seccomp import bpf, numbers

_AUDIT_ARCH = {"x86_64": 0xC000003E, "i386": 0x40000003, "aarch64": 0xC00000B7}

_EPERM, _ENOSYS = 1, 38

ALLOWED = """
accept accept4 access adjtimex alarm arch_prctl bind brk cachestat capget capset chdir chmod chown chown32
chroot clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old
eventfd eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate
fanotify_mark fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr
flistxattr flock fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate
ftruncate64 futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list
get_thread_area getcpu getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32
getgroups getgroups32 getitimer getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid
getresgid32 getresuid getresuid32 getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday
getuid getuid32 getxattr getxattrat inotify_add_watch inotify_init inotify_init1 inotify_rm_watch
io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit ioctl ioprio_get
ioprio_set ipc kill landlock_add_rule landlock_create_ruleset landlock_restrict_self lchown lchown32
lgetxattr link linkat listen listmount listxattr listxattrat llistxattr _llseek lremovexattr lseek
lsetxattr lstat lstat64 madvise map_shadow_stack membarrier memfd_create memfd_secret mincore mkdir
mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 modify_ldt mprotect mq_getsetattr mq_notify mq_open
mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink mremap mseal msgctl
msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep newfstatat _newselect
open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect poll
ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease process_vm_readv
process_vm_writev pselect6 pselect6_time64 ptrace pwrite64 pwritev pwritev2 read readahead readlink
readlinkat readv recvfrom recvmmsg recvmmsg_time64 recvmsg remap_file_pages removexattr removexattrat
rename renameat renameat2 restart_syscall rmdir rseq rt_sigaction rt_sigpending rt_sigprocmask
rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo
sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam
sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr
sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop semtimedop
semtimedop_time64 sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer
setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32
setrlimit setsid setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown
sigaltstack signalfd signalfd4 sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs
statfs64 statmount statx symlink symlinkat sync sync_file_range syncfs sysinfo tee tgkill time
timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times tkill truncate
truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime utimensat utimensat_time64 utimes vfork
vmsplice wait4 waitid waitpid write writev
"""

# The namespaces that clone may not make: all but CLONE_NEWTIME, which only clone3 and unshare know.
_NAMESPACE_FLAGS = 0x7E020000
_PERSONALITIES = (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF)
# Protocol families 0 to 45 without those that Docker refuses: amateur radio and other unused ones,
# AF_ALG (38) and AF_VSOCK (40), which leads out of a container.
_REFUSED_FAMILIES = (12, 19, 20, 23, 25, 34, 37, 38, 40)
_FAMILIES = tuple(family for family in range(46) if family not in _REFUSED_FAMILIES)

# Calls that set owners or identities. Where only ID 0 exists they cannot mean anything, and are
# answered with success without being made, so that package managers work.
IDENTITY = """
chown fchown lchown fchownat chown32 fchown32 lchown32 setuid setgid setreuid setregid setresuid
setresgid setfsuid setfsgid setgroups setuid32 setgid32 setreuid32 setregid32 setresuid32 setresgid32
setfsuid32 setfsgid32 setgroups32
"""


def build(machine: str, *, single_id: bool = False, insecure: bool = False) -> bytes:
    """The program for processes on `machine` (as uname says); b"" for a machine without a table.

    `single_id` answers the IDENTITY calls with success. With `insecure` nothing is refused, and without IDs
    to answer for there is no program.
    """
    if insecure and not single_id:
        return b""
    if machine == "x86_64":
        tables = {"x86_64": numbers.x86_64(), "i386": numbers.i386()}
    elif machine in ("aarch64", "arm64"):
        tables = {"aarch64": numbers.aarch64()}
    else:
        return b""
    if insecure:
        free = {_AUDIT_ARCH[name]: _identities_only(table) for name, table in tables.items()}
        return bpf.assemble(bpf.by_arch(free, bpf.allow()))
    trees = {_AUDIT_ARCH[name]: _tree(table, single_id) for name, table in tables.items()}
    # A program of a foreign architecture (x32 has a bit in the number and is "newer") gets ENOSYS.
    return bpf.assemble(bpf.by_arch(trees, bpf.errno(_ENOSYS)))


def _identities_only(table: dict[str, int]) -> bpf.Code:
    rules = {table[name]: bpf.errno(0) for name in IDENTITY.split() if name in table}
    return bpf.by_number(rules, numbers.LAST, bpf.allow(), bpf.allow())


def _tree(table: dict[str, int], single_id: bool) -> bpf.Code:
    rules: dict[int, bpf.Code] = {}
    for name in ALLOWED.split():
        if name in table:
            rules[table[name]] = bpf.allow()
    refuse = bpf.errno(_EPERM)
    rules[table["personality"]] = bpf.if_argument_in(0, _PERSONALITIES, bpf.allow(), refuse)
    rules[table["clone"]] = bpf.if_argument_has(0, _NAMESPACE_FLAGS, refuse, bpf.allow())
    rules[table["clone3"]] = bpf.errno(_ENOSYS)
    rules[table["socket"]] = bpf.if_argument_in(0, _FAMILIES, bpf.allow(), refuse)
    if single_id:
        rules.update({table[name]: bpf.errno(0) for name in IDENTITY.split() if name in table})
    return bpf.by_number(rules, numbers.LAST, refuse, bpf.errno(_ENOSYS))
