#include "tests/faults/sim_store.h"

namespace braid::faults {
namespace {

constexpr std::uint64_t kib = 1024;

Options sim_options() {
    Options options;
    options.create = true;
    options.lock_wait = std::chrono::milliseconds(0);
    options.log_file_bytes = 16 * kib;
    options.log_bytes_max = 64 * kib;
    options.arena_chunk_bytes = 4 * kib;
    options.tail_bytes_max = 256 * kib;
    options.batches_in_flight = 2;
    return options;
}

}  // namespace

void SimStore::open() {
    auto engine = Engine::open(disk_->borrow(), sim_options(), Engine::Threads::none);
    REQUIRE_MESSAGE(engine.has_value(), (engine ? std::string() : engine.error().message()));
    engine_ = std::move(*engine);
    queue_ = *disk_->make_queue(16, nullptr);
}

void SimStore::close() {
    static_cast<void>(engine_->close());
    queue_.reset();  // before the memory that its writes use
    engine_.reset();
}

Result<Receipt> SimStore::append(std::string_view text, Durability durability) {
    TransactionBody body(engine_->options());
    body.append("space", "segment", as_bytes(text), {});
    return engine_->commit(body, durability);
}

SimStore::Answer SimStore::append_async(std::string_view text) {
    TransactionBody body(engine_->options());
    body.append("space", "segment", as_bytes(text), {});
    auto answer = std::make_shared<std::optional<Result<Receipt>>>();
    engine_->commit_async(
        body, [answer](Result<Receipt> receipt) { *answer = std::move(receipt); },
        Durability::durable);
    return answer;
}

std::vector<std::string> SimStore::texts(Level level) const {
    std::vector<std::string> texts;
    EntryBounds bounds;
    bounds.level = level;
    const auto reader = engine_->read_segment("space", "segment", bounds);
    while (const Result<Entry>* entry = reader->next()) {
        REQUIRE(entry->has_value());
        texts.emplace_back(as_text((*entry)->payload));
    }
    return texts;
}

std::vector<std::string> SimStore::texts_on(std::unique_ptr<sim::SimDisk> disk) {
    return SimStore(std::move(disk)).texts();
}

}  // namespace braid::faults
