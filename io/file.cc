#include "io/file.h"

#include <fmt/format.h>
#include <braid/check.hpp>
#include <cerrno>
#include <system_error>
#include <thread>

namespace braid::io {
namespace {

Errc code_of(int error) {
    switch (error) {
        case ENOSPC:
        case EDQUOT:
        case EFBIG:
            return Errc::no_space;
        case ENOENT:
            return Errc::not_found;
        default:
            return Errc::io;
    }
}

bool worth_another_try(std::int64_t result) {
    return result == -EINTR || result == -EAGAIN;
}

}  // namespace

Error system_error(std::string_view call, const std::string& file, std::uint64_t offset,
                   std::int64_t negative_errno) {
    const int error = static_cast<int>(-negative_errno);
    return {code_of(error),
            fmt::format("{} {} at offset {}: {}", call, file, offset,
                        std::generic_category().message(error)),
            error};
}

Error system_error(std::int64_t negative_errno) noexcept {
    const int error = static_cast<int>(-negative_errno);
    return {code_of(error), "a call failed", error};  // short enough to need no memory
}

Error system_error(std::string_view call, const std::string& file, std::int64_t negative_errno) {
    const int error = static_cast<int>(-negative_errno);
    return {code_of(error),
            fmt::format("{} {}: {}", call, file, std::generic_category().message(error)), error};
}

Result<std::size_t> File::read(std::span<std::byte> into, std::uint64_t offset) {
    std::size_t done = 0;
    unsigned idle_tries = 0;
    while (done < into.size()) {
        const std::int64_t result = raw_read(into.subspan(done), offset + done);
        if (result < 0 && !worth_another_try(result)) {
            return system_error("read", name_, offset + done, result);
        }
        if (result == 0) break;
        const std::size_t got = result > 0 ? static_cast<std::size_t>(result) : 0;
        const std::size_t whole = got - got % transfer_unit();
        if (whole < got && done + got < into.size()) {
            // Within a unit a direct read stops at the file's end, or it was cut short.
            const Result<std::uint64_t> bytes = size();
            if (!bytes) return bytes.error();
            if (offset + done + got >= *bytes) return done + got;
        } else if (whole < got) {
            return done + got;
        }
        done += whole;
        idle_tries = whole > 0 ? 0 : idle_tries + 1;
        if (idle_tries == idle_tries_max) {
            return system_error("read", name_, offset + done, result < 0 ? result : -EIO);
        }
        if (whole == 0) std::this_thread::yield();
    }
    return done;
}

Result<void> File::write(Bytes bytes, std::uint64_t offset, WriteMode mode) {
    unsigned idle_tries = 0;
    while (!bytes.empty()) {
        const std::int64_t result = raw_write(bytes, offset, mode);
        if (result < 0 && !worth_another_try(result)) {
            return system_error("write", name_, offset, result);
        }
        if (result == 0) {
            // POSIX knows no such answer; taking it for progress would be an endless loop.
            return Error(Errc::io,
                         fmt::format("write {} at offset {}: the system wrote 0 of {} bytes", name_,
                                     offset, bytes.size()));
        }
        const std::size_t got = result > 0 ? static_cast<std::size_t>(result) : 0;
        BRAID_CHECK(got <= bytes.size(), "{} of {} bytes written to {}", got, bytes.size(), name_);
        const std::size_t whole = got == bytes.size() ? got : got - got % transfer_unit();
        bytes = bytes.subspan(whole);
        offset += whole;
        idle_tries = whole > 0 ? 0 : idle_tries + 1;
        if (idle_tries == idle_tries_max) {
            return system_error("write", name_, offset, result < 0 ? result : -EIO);
        }
        if (whole == 0) std::this_thread::yield();
    }
    return {};
}

Result<void> File::sync() {
    std::int64_t result = raw_sync();
    // Only an interrupted sync is asked again: after any other failure a second one proves nothing.
    for (unsigned tries = 1; worth_another_try(result) && tries < idle_tries_max; ++tries) {
        result = raw_sync();
    }
    if (result < 0) return system_error("sync", name_, result);
    return {};
}

Result<std::uint64_t> File::size() {
    const std::int64_t result = raw_size();
    if (result < 0) return system_error("size of", name_, result);
    return static_cast<std::uint64_t>(result);
}

std::optional<std::uint64_t> File::cached_bytes() {
    const std::int64_t result = raw_cached();
    if (result < 0) return std::nullopt;
    return static_cast<std::uint64_t>(result);
}

Result<void> File::allocate(std::uint64_t length) {
    std::int64_t result = raw_allocate(length);
    for (unsigned tries = 1; worth_another_try(result) && tries < idle_tries_max; ++tries)
        result = raw_allocate(length);
    if (result == -EOPNOTSUPP || result == -ENOSYS) return {};
    if (result < 0) return system_error("allocate", name_, result);
    return {};
}

Result<void> File::cut(std::uint64_t length) {
    const std::int64_t result = raw_cut(length);
    if (result < 0) return system_error("cut", name_, result);
    return {};
}

Result<std::unique_ptr<Mapping>> File::map(std::uint64_t length) {
    const Result<std::uint64_t> bytes = size();
    if (!bytes) return bytes.error();
    // Beyond the end a mapping is a SIGBUS in the host.
    if (length > *bytes) {
        return Error(Errc::corrupt, fmt::format("map {}: expected {} bytes, the file ends at {}",
                                                name_, length, *bytes));
    }
    std::unique_ptr<Mapping> mapping;
    const std::int64_t result = raw_map(length, mapping);
    if (result < 0) return system_error("map", name_, result);
    return mapping;
}

}  // namespace braid::io
