/* What a hostile builder tries with system calls. Each attempt must be refused with the expected
   error; the first that is not is named and ends the build with a failure. */

#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static void refused(const char *what, long result) {
    if (result != -1) {
        printf("BREACH: %s was not refused\n", what);
        exit(1);
    }
    printf("%s: %s\n", what, strerror(errno));
}

static int stream(int family) { return socket(family, SOCK_STREAM, 0); }

static void ipv4(const char *what, const char *address, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
    inet_pton(AF_INET, address, &to.sin_addr);
    refused(what, connect(stream(AF_INET), (struct sockaddr *)&to, sizeof to));
}

static void ipv6(const char *what, const char *address, int port) {
    struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    inet_pton(AF_INET6, address, &to.sin6_addr);
    refused(what, connect(stream(AF_INET6), (struct sockaddr *)&to, sizeof to));
}

static void local(const char *what, const char *name, int is_abstract) {
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    strcpy(to.sun_path + is_abstract, name);
    socklen_t length = offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(name);
    refused(what, connect(stream(AF_UNIX), (struct sockaddr *)&to, length));
}

static void network(char **with) {
    int port = atoi(with[0]);
    ipv4("IPv4", "93.184.216.34", 80);
    ipv6("IPv6", "2606:2800:220:1:248:1893:25c8:1946", 80);
    ipv4("loopback of the host", "127.0.0.1", port);
    ipv6("loopback of the host (IPv6)", "::1", port);
    local("abstract socket of the host", with[1], 1);
    local("socket file of the host", with[2], 0);
    refused("raw socket", socket(AF_INET, SOCK_RAW, 1));
    refused("packet socket", socket(AF_PACKET, SOCK_RAW, 0));
    refused("socket to a virtual machine's host", socket(40, SOCK_STREAM, 0));
}

static void modes(void) {
    close(open("/build/file", O_CREAT | O_WRONLY, 0755));
    refused("setuid", chmod("/build/file", 04755));
    refused("setgid", chmod("/build/file", 02755));
    refused("setuid on creation", open("/build/new", O_CREAT | O_WRONLY, 04755));
    refused("another owner", chown("/build/file", 0, 0));
}

static void devices(void) {
    refused("character device", mknod("/build/mem", S_IFCHR | 0666, 0x0101));
    refused("block device", mknod("/build/disk", S_IFBLK | 0666, 0x0800));
}

static void tracing(void) {
    refused("ptrace", ptrace(PTRACE_ATTACH, 1, 0, 0));
    refused("ptrace of itself", ptrace(PTRACE_TRACEME, 0, 0, 0));
    refused("memory of process 1", syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0));
    refused("memory file of process 1", open("/proc/1/mem", O_RDWR));
    refused("descriptors of process 1", open("/proc/1/fd/3", O_RDONLY));
}

static void keys(void) {
    refused("add_key", syscall(SYS_add_key, "user", "x", "y", 1, KEY_SPEC_SESSION_KEYRING));
    refused("keyctl", syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0));
    refused("request_key", syscall(SYS_request_key, "user", "x", 0, 0));
}

static void mounts(void) {
    refused("mount", mount("none", "/tmp", "tmpfs", 0, 0));
    refused("bind mount", mount("/", "/tmp", 0, MS_BIND, 0));
    refused("remount", mount(0, "/usr", 0, MS_REMOUNT | MS_BIND, 0));
    refused("umount", umount2("/proc", MNT_DETACH));
    refused("pivot_root", syscall(SYS_pivot_root, "/", "/tmp"));
    refused("chroot", chroot("/tmp"));
    refused("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
    refused("open_tree", syscall(SYS_open_tree, -100, "/", 1));
}

static void namespaces(void) {
    int kinds[] = {CLONE_NEWUSER, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET, CLONE_NEWIPC, CLONE_NEWUTS};
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++)
        refused("unshare", unshare(kinds[i]));
    refused("clone3", syscall(SYS_clone3, 0, 0));
    refused("setns", setns(open("/proc/self/ns/net", O_RDONLY), 0));
    refused("host name", sethostname("evil", 4));
}

static void kernel(void) {
    char attributes[128] = {0};
    refused("bpf", syscall(SYS_bpf, 0, attributes, 72));
    refused("perf_event_open", syscall(SYS_perf_event_open, attributes, 0, -1, -1, 0));
    refused("io_uring", syscall(SYS_io_uring_setup, 8, attributes));
    refused("userfaultfd", syscall(SYS_userfaultfd, 0));
    refused("module", syscall(SYS_init_module, attributes, 1, ""));
    refused("kexec", syscall(SYS_kexec_load, 0, 0, 0, 0));
    refused("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x1234567, 0));
    refused("clock", syscall(SYS_clock_settime, 0, attributes));
    refused("swap", syscall(SYS_swapon, "/build/file", 0));
    refused("file handle", syscall(SYS_open_by_handle_at, -100, attributes, 0));
    refused("extended attribute", syscall(SYS_setxattr, "/build", "user.x", "y", 1, 0));
}

static void proc(char **with) {
    const char *written[] = {"/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger",
                             "/proc/sys/kernel/hostname", "/proc/1/oom_score_adj",
                             "/proc/sys/vm/drop_caches", "/sys/kernel/mm/ksm/run"};
    for (unsigned i = 0; i < sizeof written / sizeof *written; i++)
        refused(written[i], open(written[i], O_WRONLY));
    const char *read[] = {"/proc/kcore", "/proc/1/environ", "/proc/1/maps", "/dev/mem", "/dev/kmsg"};
    for (unsigned i = 0; i < sizeof read / sizeof *read; i++)
        refused(read[i], open(read[i], O_RDONLY));
    char path[4096];
    snprintf(path, sizeof path, "/proc/1/root%s", with[0]);
    refused("root of process 1", open(path, O_RDONLY));
    snprintf(path, sizeof path, "/proc/self/cwd/../../../../../../..%s", with[0]);
    refused("way up from the working directory", open(path, O_RDONLY));
    refused("file of the host", open(with[0], O_RDONLY));
    refused("password file", open("/etc/shadow", O_RDONLY));
}

static void inputs(char **with) {
    char path[4096];
    snprintf(path, sizeof path, "%s/file", with[0]);
    refused("writing", open(path, O_WRONLY));
    refused("emptying", truncate(path, 0));
    refused("removing", unlink(path));
    refused("renaming", rename(path, "/build/file"));
    refused("changing the mode", chmod(path, 0777));
    refused("changing the time", utimensat(AT_FDCWD, path, 0, 0));
    refused("linking", link(path, "/build/link"));
    refused("moving the folder away", rename(with[0], "/build/away"));
    snprintf(path, sizeof path, "%s/new", with[0]);
    refused("adding", open(path, O_CREAT | O_WRONLY, 0644));
    refused("writing to the root", open("/usr/new", O_CREAT | O_WRONLY, 0644));
    refused("writing beside the store", open("/cbuild/new", O_CREAT | O_WRONLY, 0644));
    refused("writing to /", open("/new", O_CREAT | O_WRONLY, 0644));
}

static void holder(void) {
    int there = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    strcpy(at.sun_path, getenv("out"));
    if (bind(there, (struct sockaddr *)&at, sizeof at)) exit(2);
}

int main(int count, char **words) {
    char **with = words + 2;
    const char *what = count > 1 ? words[1] : "";
    if (!strcmp(what, "network")) network(with);
    else if (!strcmp(what, "modes")) modes();
    else if (!strcmp(what, "devices")) devices();
    else if (!strcmp(what, "tracing")) tracing();
    else if (!strcmp(what, "keys")) keys();
    else if (!strcmp(what, "mounts")) mounts();
    else if (!strcmp(what, "namespaces")) namespaces();
    else if (!strcmp(what, "kernel")) kernel();
    else if (!strcmp(what, "proc")) proc(with);
    else if (!strcmp(what, "inputs")) inputs(with);
    else if (!strcmp(what, "socket")) { holder(); return 0; }
    else return 3;
    return 0;
}
