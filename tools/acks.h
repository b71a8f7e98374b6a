#pragma once

#include <braid/result.hpp>
#include <braid/transaction.hpp>
#include <string>
#include <string_view>

namespace braid::tools {

/// The file of acknowledgements: a line a commit, written after the commit returned, in one write
/// call and without a buffer, so that a killed process has told exactly what it knew. Any thread.
class Acks {
public:
    Acks() = default;
    ~Acks();
    Acks(const Acks&) = delete;
    Acks& operator=(const Acks&) = delete;

    /// Opens or makes the file; lines go behind what it holds. Without it `write` does nothing.
    Result<void> open(const std::string& path);
    Result<void> write(std::string_view trx_word, const Receipt& receipt);

private:
    int fd_ = -1;
    std::string path_;
};

}  // namespace braid::tools
