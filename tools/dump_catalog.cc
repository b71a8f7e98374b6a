#include <fmt/format.h>

#include <cstring>

#include "index/catalog_record.h"
#include "tools/dump_items.h"

namespace braid::tools {

namespace {

/// Walks one catalog file, record by record.
class CatalogDump {
public:
    CatalogDump(DumpContext& context, const DumpFile& file, const segment::FileIdentity& identity)
        : context_(context),
          file_(file),
          seed_(index::catalog_seed(identity.store, identity.number)) {}

    void run(std::uint64_t offset) {
        while (offset < file_.content.size() && context_.printer.good()) {
            const auto header = index::sound_header(file_.from(offset), seed_);
            if (header) {
                offset = dump_record(offset, *header);
                continue;
            }
            const std::uint64_t bad = offset;
            do {
                offset += 8;
            } while (offset < file_.content.size() &&
                     !index::sound_header(file_.from(offset), seed_));
            judge(bad, "no sound record header", offset < file_.content.size());
        }
    }

private:
    /// Returns where the next record may begin.
    std::uint64_t dump_record(std::uint64_t offset, const index::CatalogRecordHeader& header) {
        context_.printer.line(file_.name, offset, type_of(header))
            .number("number", header.number.value())
            .number("body_bytes", header.body_bytes.value())
            .checksum("checksum", header.checksum.value())
            .checksum("previous", header.previous.value())
            .end();
        if (records_ > 0 && header.previous.value() != last_checksum_) {
            context_.printer.problem(file_.name,
                                     offset + offsetof(index::CatalogRecordHeader, previous),
                                     fmt::format("checksum {:016x} of the record before expected, "
                                                 "{:016x} found",
                                                 last_checksum_, header.previous.value()));
        }
        ++records_;
        last_checksum_ = header.checksum.value();
        return dump_body(offset, header);
    }

    std::uint64_t dump_body(std::uint64_t offset, const index::CatalogRecordHeader& header) {
        const std::uint64_t body_offset = offset + sizeof header;
        const std::uint64_t room = file_.content.size() - body_offset;
        const std::uint64_t body_bytes = header.body_bytes.value();
        const bool is_whole = body_bytes <= room && segment::padded(body_bytes) <= room;
        const std::uint64_t end = is_whole ? body_offset + segment::padded(body_bytes)
                                           : std::uint64_t{file_.content.size()};
        const auto body = index::sound_body(header, file_.from(offset), seed_);
        if (!body) {
            judge(body_offset, "the record's body is cut off or its checksum doesn't match",
                  index::sound_header(file_.from(end), seed_).has_value());
            return end;
        }
        const auto kind = static_cast<index::CatalogRecordKind>(header.kind.value());
        const auto record = index::decode_catalog_body(kind, *body);
        if (!record) {
            context_.printer.problem(file_.name, body_offset, record.error().message());
            return end;
        }
        has_snapshot_ |= kind == index::CatalogRecordKind::snapshot;
        print(body_offset, *record);
        context_.learn(*record);
        return end;
    }

    static std::string_view type_of(const index::CatalogRecordHeader& header) {
        switch (static_cast<index::CatalogRecordKind>(header.kind.value())) {
            case index::CatalogRecordKind::snapshot:
                return "snapshot";
            case index::CatalogRecordKind::drain:
                return "drain";
            case index::CatalogRecordKind::gather:
                return "gather";
            case index::CatalogRecordKind::part:
                return "part";
        }
        return "unknown";
    }

    /// A bad last record is a drain or a gathering that never committed; anything else is damage.
    void judge(std::uint64_t offset, std::string_view what, bool followed) {
        if (followed || !has_snapshot_) return context_.printer.problem(file_.name, offset, what);
        context_.printer.note(file_.name, offset,
                              fmt::format("a drain that was never finished: {}", what));
    }

    void print(std::uint64_t offset, const index::CatalogRecord& record) {
        context_.printer.line(file_.name, offset, "counters")
            .number("cut", record.cut.value)
            .number("transaction", record.transaction.value)
            .number("timestamp", record.timestamp.value)
            .number("next_space", record.next_space.value)
            .number("next_segment", record.next_segment.value)
            .number("next_pack", record.next_pack)
            .end();
        for (const auto& change : record.names) print(offset, change);
        for (const auto& pack : record.packs) print(offset, pack);
        for (const auto& gathered : record.gathered) print(offset, gathered);
        for (const auto& piece : record.pieces) print(offset, piece);
        for (const auto& update : record.segments) print(offset, update);
        for (const auto& section : record.sections) print(offset, section);
        for (const auto& trim : record.trims) print(offset, trim);
        for (const auto& trim : record.pack_trims)
            context_.printer.line(file_.name, offset, "pack_trim")
                .number("pack", trim.pack)
                .number("records", trim.records)
                .end();
        if (record.next_body_file != 0)
            context_.printer.line(file_.name, offset, "next_body_file")
                .number("number", record.next_body_file)
                .end();
        for (const auto& count : record.body_files)
            context_.printer.line(file_.name, offset, "body_file")
                .number("number", count.file)
                .number("bodies", count.bodies)
                .number("trimmed", count.trimmed)
                .end();
        for (const auto& consumer : record.consumers) print(offset, consumer);
        for (const auto& lease : record.leases)
            context_.printer.line(file_.name, offset, "lease")
                .bytes("key", lease.key)
                .number("token", lease.token.value)
                .bytes("holder", lease.holder)
                .number("ttl_ns", lease.ttl_ns)
                .end();
        for (const auto& noted : record.noted)
            context_.printer.line(file_.name, offset, "transaction_id")
                .words("id", id_in_hex(noted.id))
                .checksum("fingerprint", noted.fingerprint)
                .number("transaction", noted.transaction.value)
                .number("first_position", noted.first_position.value)
                .number("records", noted.records)
                .end();
    }

    /// One line for the consumer, and one for each of its cursors.
    void print(std::uint64_t offset, const index::ConsumerUpdate& consumer) {
        context_.printer.line(file_.name, offset, "consumer")
            .bytes("name", consumer.name)
            .number("epoch", consumer.epoch.value)
            .number("cursors", consumer.cursors.size())
            .end();
        for (const index::CursorUpdate& cursor : consumer.cursors) {
            DumpLine line = context_.printer.line(file_.name, offset, "cursor");
            line.bytes("consumer", consumer.name);
            if (!cursor.space.empty()) line.bytes("space", cursor.space);
            if (!cursor.segment.empty()) line.bytes("segment", cursor.segment);
            line.number("position", cursor.position.value).end();
        }
    }

    void print(std::uint64_t offset, const segment::Change& change) {
        DumpLine line = context_.printer.line(file_.name, offset, "name");
        if (const auto* space = std::get_if<segment::SpaceNamed>(&change)) {
            line.number("space", space->space.value).bytes("name", space->name);
        } else if (const auto* named = std::get_if<segment::SegmentNamed>(&change)) {
            line.number("segment", named->segment.value)
                .number("space", named->space.value)
                .bytes("name", named->name);
        }
        line.end();
    }

    void print(std::uint64_t offset, const index::PackInfo& pack) {
        context_.printer.line(file_.name, offset, "pack")
            .number("number", pack.number)
            .number("extents_end", pack.extents_end)
            .number("order_offset", pack.order_offset)
            .number("bytes", pack.bytes)
            .number("first_position", pack.first_position.value)
            .number("last_position", pack.last_position.value)
            .number("pieces", pack.pieces)
            .end();
    }

    /// One line for the pack, and one for each range of numbers that lead to it.
    void print(std::uint64_t offset, const index::GatheredPack& gathered) {
        context_.printer.line(file_.name, offset, "gathered")
            .number("number", gathered.pack)
            .number("level", gathered.level)
            .number("directory_entries", gathered.directory_entries)
            .number("left_out", gathered.left_out)
            .end();
        for (const index::PackRange& range : gathered.from)
            context_.printer.line(file_.name, offset, "gathered_from")
                .number("number", gathered.pack)
                .number("first", range.first)
                .number("last", range.last)
                .end();
    }

    void print(std::uint64_t offset, const segment::Piece& piece) {
        context_.printer.line(file_.name, offset, "piece")
            .number("segment", piece.segment.value)
            .number("number", piece.file)
            .number("at", piece.offset)
            .number("frames_bytes", piece.frames_bytes)
            .number("index_offset", piece.index_offset)
            .number("index_bytes", piece.index_bytes)
            .number("first_sequence", piece.first_sequence.value)
            .number("last_sequence", piece.last_sequence.value)
            .number("first_position", piece.first_position.value)
            .number("last_position", piece.last_position.value)
            .number("first_timestamp", piece.first_timestamp.value)
            .number("last_timestamp", piece.last_timestamp.value)
            .end();
    }

    void print(std::uint64_t offset, const index::SegmentUpdate& update) {
        context_.printer.line(file_.name, offset, "segment")
            .number("segment", update.segment.value)
            .number("last_sequence", update.last_sequence.value)
            .number("last_position", update.last_position.value)
            .number("first_timestamp", update.first_timestamp.value)
            .number("last_timestamp", update.last_timestamp.value)
            .number("head_pack", update.head.pack())
            .number("head_offset", update.head.offset())
            .number("anchor_pack", update.anchor.pack())
            .number("anchor_offset", update.anchor.offset())
            .number("extents_since_anchor", update.extents_since_anchor)
            .number("files", update.files)
            .end();
    }

    void print(std::uint64_t offset, const index::SegmentTrim& trim) {
        context_.printer.line(file_.name, offset, "trim")
            .number("segment", trim.segment.value)
            .number("through", trim.through.value)
            .number("position", trim.position.value)
            .end();
    }

    void print(std::uint64_t offset, const index::OrderSection& section) {
        context_.printer.line(file_.name, offset, "section")
            .number("space", section.space.value)
            .number("pack", section.pack)
            .number("at", section.offset)
            .number("bytes", section.bytes)
            .number("records", section.records)
            .number("records_before", section.records_before)
            .number("first_position", section.first_position.value)
            .number("last_position", section.last_position.value)
            .checksum("last_checksum", section.last_checksum)
            .checksum("replaced_checksum", section.replaced_checksum)
            .end();
    }

    DumpContext& context_;
    const DumpFile& file_;
    const std::uint64_t seed_;
    std::uint64_t records_ = 0;  // with a sound header
    bool has_snapshot_ = false;
    std::uint64_t last_checksum_ = 0;
};

}  // namespace

void dump_catalog(DumpContext& context, const DumpFile& file) {
    const auto identity = dump_header(context, file);
    if (identity) CatalogDump(context, file, *identity).run(identity->header_bytes);
}

}  // namespace braid::tools
