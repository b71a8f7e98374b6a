#pragma once

#include <algorithm>
#include <braid/types.hpp>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "index/catalog.h"
#include "segment/change.h"
#include "segment/file_header.h"
#include "tools/dump_printer.h"
#include "wal/log_format.h"

namespace braid::tools {

/// A file of a store in memory.
struct DumpFile {
    std::string name;
    std::vector<std::byte> content;

    [[nodiscard]] Bytes bytes() const noexcept { return content; }
    /// The bytes from an offset on; none beyond the end.
    [[nodiscard]] Bytes from(std::uint64_t offset) const noexcept {
        return bytes().subspan(std::min<std::uint64_t>(offset, content.size()));
    }
};

/// What the other files of the store say that a file's own bytes don't. All of it may be missing: a
/// single file out of a wreck can be dumped too.
struct DumpContext {
    DumpPrinter& printer;
    io::Disk* disk = nullptr;  ///< where body files are
    std::optional<Uuid> store;
    std::uint64_t store_seed = 0;
    std::map<SpaceId, std::string> spaces;
    std::map<SegmentId, std::pair<SpaceId, std::string>> segments;

    bool has_catalog = false;   ///< the five below are complete
    std::uint64_t drained = 0;  ///< the last transaction in the catalog
    std::map<std::uint64_t, index::PackInfo> packs;
    std::map<std::uint64_t, index::GatheredPack> gathered{};  ///< of those packs
    /// Pieces by their offset, of each file by segment and number.
    std::map<std::pair<SegmentId, std::uint64_t>, std::map<std::uint64_t, segment::Piece>> pieces;

    std::map<SegmentId, Sequence> trims;

    std::vector<wal::LogFileHeader> logs;  ///< sound headers of all log files

    void learn(const segment::Change& change);
    void learn(const index::CatalogRecord& record);
};

/// Prints a file's header; nothing if it isn't sound, which has been printed then.
std::optional<segment::FileIdentity> dump_header(DumpContext& context, const DumpFile& file);

/// Each prints one kind of file and says what is wrong in it.
void dump_log(DumpContext& context, const DumpFile& file);
void dump_pack(DumpContext& context, const DumpFile& file);
void dump_segment_file(DumpContext& context, const DumpFile& file);
void dump_catalog(DumpContext& context, const DumpFile& file);
void dump_body_file(DumpContext& context, const DumpFile& file);
/// Prints where the record of a sound frame lies that is elsewhere, and whether it is what it must
/// be.
void dump_body(DumpContext& context, const DumpFile& file, std::uint64_t offset,
               segment::FrameView frame);

/// Whether a log file, as it was read and with the headers of the others, is free of damage. A read
/// beside a writer may mix older and newer blocks, so what isn't sound is worth reading again.
[[nodiscard]] bool log_is_sound(const DumpContext& context, const DumpFile& file);

}  // namespace braid::tools
