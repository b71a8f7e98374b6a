// How a store that is open read-only keeps up with a writer that gathers and trims what it reads.
#include "engine/engine.h"

namespace braid {
namespace {

/// Names and segments are known, and what has come since isn't this store's.
class Nothing : public index::CatalogItems {
public:
    void expect_names(std::size_t) override {}
    const char* take(const segment::SpaceNamed&) override { return nullptr; }
    const char* take(std::span<const segment::SegmentNameView>) override { return nullptr; }
    const char* take(std::span<const index::SegmentUpdate>) override { return nullptr; }
};

}  // namespace

bool Engine::look_again() const {
    if (!options_.read_only) return false;
    const std::scoped_lock turn(look_again_mutex_);
    Storage later(*disk_, options_, pinned_);
    std::vector<index::SegmentTrim> trims;
    Nothing nothing;
    const auto loaded = index::load_catalog(
        *disk_,
        [&](const index::CatalogRecord& record) -> Result<void> {
            if (const char* problem = later.gathering_problem(record))
                return Error(Errc::corrupt, problem);
            later.add(record);
            trims.insert(trims.end(), record.trims.begin(), record.trims.end());
            return {};
        },
        nothing);
    if (!loaded || loaded->end.next_record == next_record_ || loaded->store != uuid_) return false;
    const std::unique_lock lock(storage_->publish);
    storage_->take_places(later);
    for (const index::SegmentTrim& trim : trims)
        if (table_->find(trim.segment) != nullptr) apply_trim(trim, *table_, *storage_);
    next_record_ = loaded->end.next_record;
    return true;
}

}  // namespace braid
