#pragma once

#include <cstdint>
#include <string>

namespace braid::full {

/// Room for files that a test can take away and give back.
class Space {
public:
    virtual ~Space() = default;
    /// Leaves so many bytes, more or less.
    virtual void leave(std::uint64_t bytes) = 0;
    virtual void give_back() = 0;
};

/// A file system of its own, filled by a ballast file (ENOSPC).
class BallastSpace : public Space {
public:
    explicit BallastSpace(const std::string& directory) : directory_(directory) {}
    ~BallastSpace() override { give_back(); }
    void leave(std::uint64_t bytes) override;
    void give_back() override;

private:
    std::string directory_;
};

/// Any file system, and a limit on the length of each file (EFBIG).
class LimitedSpace : public Space {
public:
    LimitedSpace();
    ~LimitedSpace() override { give_back(); }
    void leave(std::uint64_t bytes) override;
    void give_back() override;
};

}  // namespace braid::full
