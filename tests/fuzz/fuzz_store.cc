// Input: an image (image.h) that is opened as a store. Claims: what an opening reads, the next one
// reads too, with what was committed in between; a store that was opened verifies without an error.
#include "engine/engine.h"
#include "engine/transaction_body.h"
#include "tests/fuzz/image.h"
#include "tests/fuzz/target.h"

namespace braid::fuzz {
namespace {

Options make_options() {
    Options options;
    options.log_file_bytes = 16384;
    options.log_bytes_max = 1 << 20;
    options.tail_bytes_max = 1 << 18;
    options.arena_chunk_bytes = 4096;
    options.record_bytes_max = 1 << 16;
    options.transaction_bytes_max = 1 << 16;
    return options;
}

/// A transaction keeps a reference to them.
const Options& options() {
    static const Options all = make_options();
    return all;
}

struct Content {
    std::vector<std::string> entries;
    bool whole = true;  // no damage met
};

Content content_of(const Engine& engine, Position end) {
    Content content;
    Position before = 0;
    const auto reader = engine.read_spaces(std::nullopt, {});
    while (const Result<Entry>* entry = reader->next()) {
        if (!*entry) {
            BRAID_CHECK(!entry->error().message().empty(), "an error without a word");
            content.whole = false;
            break;
        }
        BRAID_CHECK((*entry)->position > before && (*entry)->position <= end,
                    "position {} behind {}, the end is {}", (*entry)->position.value, before.value,
                    end.value);
        before = (*entry)->position;
        content.entries.push_back(fmt::format("{} {} {} {}", before.value, (*entry)->segment,
                                              (*entry)->sequence.value, (*entry)->text()));
    }
    return content;
}

/// Nothing to compare with where a forged number is close to the last one there is.
bool has_room(const Engine& engine) {
    return engine.watermarks().committed().value < std::uint64_t{1} << 40;
}

void check_commit(sim::SimDisk& disk, std::shared_ptr<Engine> engine, Content content) {
    TransactionBody body(options());
    body.append("space", "afterwards", as_bytes("afterwards"), {});
    const auto receipt = engine->commit(body, Durability::durable);
    if (!receipt) return;
    static_cast<void>(engine->drain());
    const bool closed = engine->close().has_value();
    engine.reset();
    if (!closed || !content.whole) return;
    auto again = Engine::open(disk.borrow(), options(), Engine::Threads::none);
    BRAID_CHECK(again.has_value(), "opened, closed, and not opened again: {}",
                again.error().message());
    const Content now = content_of(**again, (*again)->watermarks().committed());
    BRAID_CHECK(now.whole && now.entries.size() == content.entries.size() + 1,
                "{} entries, one committed, and {} found", content.entries.size(),
                now.entries.size());
    for (std::size_t i = 0; i < content.entries.size(); ++i)
        BRAID_CHECK(now.entries[i] == content.entries[i], "another entry after an opening: {}, {}",
                    content.entries[i], now.entries[i]);
}

}  // namespace
}  // namespace braid::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace braid;
    const fuzz::Image image = fuzz::read_image(fuzz::input_bytes(data, size));
    const auto disk = fuzz::disk_of(image);
    auto engine = Engine::open(disk->borrow(), fuzz::options(), Engine::Threads::none);
    if (!engine || !fuzz::has_room(**engine)) return 0;
    fuzz::Content content = fuzz::content_of(**engine, (*engine)->watermarks().committed());
    const auto report = (*engine)->verify();
    BRAID_CHECK(report.has_value(), "verify: {}", report.error().message());
    fuzz::check_commit(*disk, std::move(*engine), std::move(content));
    return 0;
}
