#include <doctest/doctest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <iostream>

#include "tests/io/scripted_file.h"
#include "tests/io/temporary_directory.h"

namespace braid::test {
namespace {

using io::Backend;

/// Makes io_uring_setup fail with `error` in this process from now on, as a container's profile
/// does.
bool deny_uring(unsigned error) {
    sock_filter rules[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const sock_fprog program{4, rules};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

/// 0 if the automatic choice works by plain calls and says why, and io_uring alone is an error.
int behaves_without_uring(const std::string& path, unsigned error) {
    if (!deny_uring(error)) return 1;
    const auto insisting = io::open_disk(path, Backend::uring, false);
    if (insisting || insisting.error().system_error() != static_cast<int>(error)) return 2;
    const auto disk = io::open_disk(path, Backend::automatic, false);
    if (!disk || !(*disk)->backend().starts_with("posix (io_uring: ")) return 3;
    const auto file = (*disk)->open("f", {.write = true, .create = true});
    const auto queue = (*disk)->make_queue(4, nullptr);
    if (!file || !queue) return 4;
    (*queue)->submit({io::Request::Kind::write, io::WriteMode::durable, file->get(),
                      as_bytes("written all the same"), 0, 1});
    if (!(*queue)->wait().result) return 5;
    return as_text(*read_whole(**file)) == "written all the same" ? 0 : 6;
}

TEST_CASE("where a sandbox denies io_uring, everything works by plain calls") {
    for (const unsigned error : {EPERM, ENOSYS}) {
        const TemporaryDirectory directory;
        std::cout.flush();           // or the child prints it again
        const pid_t child = fork();  // a filter can't be taken back
        REQUIRE(child >= 0);
        if (child == 0) _exit(behaves_without_uring(directory.path(), error));
        int status = 0;
        REQUIRE(waitpid(child, &status, 0) == child);
        REQUIRE(WIFEXITED(status));
        if (WEXITSTATUS(status) == 1) {
            MESSAGE("no seccomp filter may be installed here");
        } else {
            CHECK(WEXITSTATUS(status) == 0);
        }
    }
}

}  // namespace
}  // namespace braid::test
