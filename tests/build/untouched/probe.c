/* probe WAY ARGUMENT...: reaches files in one way, and says what it found; a static program.
 *
 * What cannot be done is said by its errno, as a word, so that a step goes on and its output shows it.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int said(const char *what, long result) {
    printf("%s %s\n", what, result < 0 ? strerrorname_np(errno) : "ok");
    return 0;
}

static int show(int fd) {
    char data[4096];
    ssize_t n;
    if (fd < 0)
        return said("open", fd);
    fflush(stdout);
    while ((n = read(fd, data, sizeof data)) > 0)
        if (write(1, data, n) < 0)
            return 1;
    return 0;
}

static int show_stat(const struct stat *s) {
    printf("%o %d:%d links %d size %ld\n", s->st_mode, s->st_uid, s->st_gid, (int)s->st_nlink, (long)s->st_size);
    return 0;
}

static void *in_thread(void *path) {
    pid_t child = fork(); /* from a thread that is not the first */
    if (child == 0)
        _exit(show(open(path, O_RDONLY)));
    waitpid(child, NULL, 0);
    return NULL;
}

static int mapped(const char *path) {
    struct stat s;
    int fd = open(path, O_RDONLY);
    if (fd < 0 || fstat(fd, &s) < 0)
        return said("open", -1);
    char *data = mmap(NULL, s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    return data == MAP_FAILED ? said("mmap", -1) : write(1, data, s.st_size) < 0;
}

static int sent(const char *path) {
    int fd = open(path, O_RDONLY), pipes[2];
    if (fd < 0 || pipe(pipes) < 0)
        return said("open", -1);
    sendfile(pipes[1], fd, NULL, 4096);
    close(pipes[1]);
    return show(pipes[0]);
}

static int passed(const char *path) { /* a descriptor that another process opened */
    int pair[2], fd = -1;
    char data = 0, control[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&data, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof fd);
    if (fork() == 0) {
        fd = open(path, O_RDONLY);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
        sendmsg(pair[1], &message, 0);
        _exit(0);
    }
    close(pair[1]);
    if (recvmsg(pair[0], &message, 0) != 1)
        return said("receive", -1);
    memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    wait(NULL);
    return show(fd);
}

static int statx_of(const char *path, int flags, unsigned mask) {
    struct statx s;
    memset(&s, 0, sizeof s);
    if (statx(AT_FDCWD, path, flags, mask, &s) < 0)
        return said("statx", -1);
    printf("%o %d:%d size %ld\n", s.stx_mode, s.stx_uid, s.stx_gid, (long)s.stx_size);
    return 0;
}

static int attributes(const char *path) {
    char names[65536];
    ssize_t n = llistxattr(path, names, sizeof names);
    if (n < 0)
        return said("list", n);
    for (char *name = names; name < names + n; name += strlen(name) + 1)
        puts(name);
    return 0;
}

static int attribute(const char *path, const char *name) {
    static char value[65536];
    ssize_t n = lgetxattr(path, name, value, sizeof value);
    return n < 0 ? said("get", n) : fwrite(value, 1, n, stdout) != (size_t)n;
}

static int link_of_descriptor(int fd) {
    char link[64], target[4096] = "";
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return readlink(link, target, sizeof target - 1) < 0 ? said("readlink", -1) : puts(target) < 0;
}

static int again(const char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", open(path, O_PATH));
    return show(open(link, O_RDONLY));
}

static int in_socket(const char *path, int binds) {
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    const struct sockaddr *where = (const struct sockaddr *)&name;
    return said(binds ? "bind" : "connect", binds ? bind(fd, where, sizeof name) : connect(fd, where, sizeof name));
}

static int handle(const char *path) {
    struct { struct file_handle head; unsigned char rest[MAX_HANDLE_SZ]; } got = {{.handle_bytes = MAX_HANDLE_SZ}};
    int mount;
    long done = name_to_handle_at(AT_FDCWD, path, &got.head, &mount, 0);
    if (done < 0 && errno == EOPNOTSUPP)
        return puts("no handles, but it is there") < 0;
    return said("handle", done);
}

static int by_handle(void) {
    struct { struct file_handle head; unsigned char rest[8]; } any = {{.handle_bytes = 8, .handle_type = 1}};
    return said("open by handle", open_by_handle_at(open("/", O_RDONLY), &any.head, O_RDONLY));
}

static int tmpfile_at(const char *folder, const char *name) {
    char link[64];
    int fd = open(folder, O_TMPFILE | O_WRONLY, 0644);
    if (fd < 0)
        return said("tmpfile", fd);
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    return said("link", linkat(AT_FDCWD, link, AT_FDCWD, name, AT_SYMLINK_FOLLOW));
}

static int open2(int folder, const char *path, unsigned long resolve) {
    struct open_how how = {.flags = O_RDONLY, .resolve = resolve};
    return show(syscall(SYS_openat2, folder, path, &how, sizeof how));
}

static int folder_count(const char *path) {
    DIR *folder = opendir(path);
    int count = 0;
    if (!folder)
        return said("opendir", -1);
    while (readdir(folder))
        count++;
    printf("%d names\n", count);
    return 0;
}

static int count_after(const char *path) { /* a listing that is not read from its beginning */
    static char data[1 << 16];
    int count = 0, fd = open(path, O_RDONLY | O_DIRECTORY);
    long n;
    lseek(fd, 3, SEEK_SET);
    while ((n = syscall(SYS_getdents64, fd, data, sizeof data)) > 0)
        for (long at = 0; at < n; at += *(unsigned short *)(data + at + 16))
            count++;
    printf("%d more\n", count);
    return 0;
}

static int same(const char *one, const char *other) {
    struct stat a, b;
    if (stat(one, &a) < 0 || stat(other, &b) < 0)
        return said("stat", -1);
    return puts(a.st_ino == b.st_ino && a.st_dev == b.st_dev ? "one file" : "two files") < 0;
}

static void nothing(int signal) { (void)signal; }

static int storm(const char *prefix, int count) { /* look-ups that signals interrupt all the time */
    struct sigaction action = {.sa_handler = nothing};
    struct itimerval often = {{0, 200}, {0, 200}};
    struct stat s;
    char name[4096];
    int found = 0;
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &often, NULL);
    for (int i = 0; i < count; i++) {
        snprintf(name, sizeof name, "%s%d", prefix, i);
        found += stat(name, &s) == 0;
    }
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    printf("%d found\n", found);
    return 0;
}

static int killed(const char *prefix, int count) { /* look-ups whose process dies in them */
    struct stat s;
    char name[4096];
    for (int i = 0; i < count; i++) {
        pid_t child = fork();
        if (child == 0)
            for (int j = 0;; j++) {
                snprintf(name, sizeof name, "%s%d-%d", prefix, i, j);
                stat(name, &s);
            }
        usleep(300);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    return 0;
}

static int int80(const char *path) { /* the calls of 32 bits, made by a program of 64 */
#ifdef __x86_64__
    char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
    int fd;
    strncpy(low, path, 4095);
    __asm__ volatile("int $0x80" : "=a"(fd) : "a"(5), "b"(low), "c"(0), "d"(0) : "r8", "r9", "r10", "r11", "memory");
    errno = -fd;
    return show(fd < 0 ? -1 : fd);
#else
    return show(open(path, O_RDONLY));
#endif
}

static int execute(int fd, char **args) {
    extern char **environ;
    fflush(stdout);
    return said("exec", syscall(SYS_execveat, fd, "", args, environ, AT_EMPTY_PATH));
}

static int capabilities(void) {
    char line[256];
    FILE *file = fopen("/proc/self/status", "r");
    while (fgets(line, sizeof line, file))
        if (strncmp(line, "CapEff", 6) == 0)
            fputs(line, stdout);
    return 0;
}

int main(int count, char **args) {
    const char *way = count > 1 ? args[1] : "", *a = count > 2 ? args[2] : "", *b = count > 3 ? args[3] : "";
    struct stat s;
    char text[4096] = "";
#define IS(name) (strcmp(way, name) == 0)
    if (IS("cat")) return show(open(a, O_RDONLY));
    if (IS("mmap")) return mapped(a);
    if (IS("sendfile")) return sent(a);
    if (IS("scm")) return passed(a);
    if (IS("size")) return printf("%ld\n", (long)lseek(open(a, O_RDONLY), 0, SEEK_END)) < 0;
    if (IS("stat")) return lstat(a, &s) < 0 ? said("stat", -1) : show_stat(&s);
    if (IS("path-stat")) return fstat(open(a, O_PATH | O_NOFOLLOW), &s) < 0 ? said("fstat", -1) : show_stat(&s);
    if (IS("statx-none")) return statx_of(a, AT_STATX_DONT_SYNC, 0);
    if (IS("statx-lazy")) return statx_of(a, AT_STATX_DONT_SYNC, STATX_BASIC_STATS);
    if (IS("access")) return said("access", access(a, atoi(b)));
    if (IS("faccessat")) return said("faccessat", faccessat(AT_FDCWD, a, atoi(b), AT_EACCESS));
    if (IS("attributes")) return attributes(a);
    if (IS("attribute")) return attribute(a, b);
    if (IS("set-attribute")) return said("set", setxattr(a, b, "1", 1, 0));
    if (IS("exec-path")) return execute(open(a, O_PATH), args + 3);
    if (IS("again")) return again(a);
    if (IS("root")) return snprintf(text, sizeof text, "/proc/self/root%s", a) < 0 || show(open(text, O_RDONLY));
    if (IS("dirfd")) {
        int folder = open(a, O_RDONLY | O_DIRECTORY);
        return chdir("/proc") || show(openat(folder, b, O_RDONLY));
    }
    if (IS("thread")) {
        pthread_t thread;
        pthread_create(&thread, NULL, in_thread, (void *)a);
        return pthread_join(thread, NULL);
    }
    if (IS("fd-link")) return link_of_descriptor(open(a, O_PATH));
    if (IS("exe")) return readlink("/proc/self/exe", text, sizeof text - 1) < 0 || puts(text) < 0;
    if (IS("connect")) return in_socket(a, 0);
    if (IS("bind")) return in_socket(a, 1);
    if (IS("inotify")) return said("watch", inotify_add_watch(inotify_init(), a, IN_MODIFY));
    if (IS("handle")) return handle(a);
    if (IS("by-handle")) return by_handle();
    if (IS("io_uring")) return said("io_uring", syscall(SYS_io_uring_setup, 4, text));
    if (IS("unshare")) return said("unshare", unshare(atoi(a)));
    if (IS("mount")) return said("mount", mount("none", a, "tmpfs", 0, ""));
    if (IS("bind-mount")) return said("mount", mount(a, b, "", MS_BIND, "")) ;
    if (IS("int80")) return int80(a);
    if (IS("rename")) return said("rename", rename(a, b));
    if (IS("no-replace")) return said("rename", renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE));
    if (IS("exchange")) return said("exchange", renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE));
    if (IS("exclusive")) return said("create", open(a, O_CREAT | O_EXCL | O_WRONLY, 0644));
    if (IS("write")) return said("open", open(a, O_WRONLY));
    if (IS("mkdir")) return said("mkdir", mkdir(a, 0755));
    if (IS("rmdir")) return said("rmdir", rmdir(a));
    if (IS("unlink")) return said("unlink", unlink(a));
    if (IS("mknod")) return said("mknod", mknod(a, S_IFIFO | 0644, 0));
    if (IS("symlink")) return said("symlink", symlink(a, b));
    if (IS("link")) return said("link", link(a, b));
    if (IS("tmpfile")) return tmpfile_at(a, b);
    if (IS("truncate")) return said("truncate", truncate(a, atoi(b)));
    if (IS("touch")) return said("touch", utimensat(AT_FDCWD, a, NULL, 0));
    if (IS("no-links")) return open2(AT_FDCWD, a, RESOLVE_NO_SYMLINKS);
    if (IS("in-root")) return open2(open(a, O_PATH), b, RESOLVE_IN_ROOT);
    if (IS("count")) return folder_count(a);
    if (IS("count-after")) return count_after(a);
    if (IS("same")) return same(a, b);
    if (IS("storm")) return storm(a, atoi(b));
    if (IS("killed")) return killed(a, atoi(b));
    if (IS("caps")) return capabilities();
    fprintf(stderr, "probe: no such way: %s\n", way);
    return 99;
}
