#if defined(__x86_64__)
#define XXH_DISPATCH_DISABLE_REPLACE
#include <xxh_x86dispatch.h>
#endif
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/compare/reads/read_peer.h"
#include "bench/floor.h"
#include "bench/records.h"

namespace bench {
namespace {

/// The bytes that frames of the same records take, in the order of commit, in a mapping: each frame
/// is hashed, each record touched, nothing is decided. A segment of several is no floor of its own.
class FloorReads : public ReadPeer {
public:
    explicit FloorReads(const ReadSetup& setup)
        : frame_records_(setup.transaction),
          frame_bytes_(
              (frame_records_ == 1 ? payload_bytes : frame_records_ * (payload_bytes + 2)) +
              header_bytes),
          frames_(setup.records / frame_records_),
          segments_(setup.segments),
          file_(setup.directory + "/file", frames_ * frame_bytes_) {}
    std::uint64_t scan(std::uint32_t) override { return walk(0, frames_ / segments_); }
    unsigned get(std::uint32_t segment, std::uint64_t sequence) override {
        return hash((sequence - 1) / frame_records_ * segments_ + segment);
    }
    std::uint64_t scan_space(std::uint64_t after, std::uint64_t limit) override {
        const std::uint64_t from = after / frame_records_;
        return std::min(limit, walk(from, std::min(frames_ - from, limit)));
    }
    bool reopen() override { return true; }  // it hashes each time

private:
    static constexpr std::size_t header_bytes = 56 + 4;  // and padding

    unsigned hash(std::uint64_t frame) {
        const std::byte* at = file_.bytes().data() + frame * frame_bytes_;
#if defined(__x86_64__)
        if (frame_bytes_ > 240)  // beyond that wide vectors help
            return static_cast<unsigned>(XXH3_64bits_dispatch(at, frame_bytes_));
#endif
        return static_cast<unsigned>(XXH3_64bits(at, frame_bytes_));
    }
    std::uint64_t walk(std::uint64_t first, std::uint64_t count) {
        unsigned sum = 0;
        for (std::uint64_t frame = first; frame < first + count; ++frame) {
            sum += hash(frame);
            const std::byte* at = file_.bytes().data() + frame * frame_bytes_;
            for (std::size_t record = 0; record < frame_records_; ++record)
                sum += std::to_integer<unsigned>(at[record * (payload_bytes + 2)]);
        }
        sum_ += sum;
        return count * frame_records_;
    }

    std::size_t frame_records_;
    std::size_t frame_bytes_;
    std::uint64_t frames_;
    std::uint32_t segments_;
    MappedFile file_;
    unsigned sum_ = 0;
};

}  // namespace

ReadPeerKind floor_read_peer() {
    return {"floor", [](const ReadSetup& setup) { return std::make_unique<FloorReads>(setup); }};
}

}  // namespace bench
