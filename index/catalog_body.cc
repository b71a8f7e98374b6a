// The body of a catalog record: its entries one behind the other.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <deque>
#include <map>
#include <utility>

#include "index/catalog_entries.h"
#include "segment/encoding.h"

namespace braid::index {

namespace {

using segment::ByteReader;
using segment::ByteWriter;
using segment::Piece;

Error corrupt(const char* what) {
    return {Errc::corrupt, fmt::format("catalog record: {} can't be decoded", what)};
}

// Writes one entry whose content `encode` appends to a buffer that is used again.
class EntryWriter {
public:
    explicit EntryWriter(std::vector<std::byte>& out) : writer_(out) {}

    template <class Encode>
    void add(CatalogEntryType type, Encode&& encode) {
        content_.clear();
        encode(content_);
        writer_.varint(static_cast<std::uint64_t>(type));
        writer_.varint(content_.size());
        writer_.bytes(content_);
    }

private:
    ByteWriter writer_;
    std::vector<std::byte> content_;
};

/// How many entries give names, so that room for them can be made once.
std::size_t count_names(Bytes body) {
    std::size_t names = 0;
    ByteReader reader(body);
    while (!reader.failed() && !reader.left().empty()) {
        const auto type = static_cast<CatalogEntryType>(reader.varint());
        const std::uint64_t length = reader.varint();
        const Bytes content = reader.bytes(length);
        if (!content.empty() && type == CatalogEntryType::segment_named) ++names;
    }
    return names;
}

Result<void> sound_or(bool sound, const char* what) {
    if (sound) return {};
    return corrupt(what);
}

Result<void> taken_or(const char* problem) {
    if (problem == nullptr) return {};
    return Error(Errc::corrupt, fmt::format("the catalog speaks of {}", problem));
}

/// Takes a body apart, into a record and what is handed on in its place.
class BodyDecoder {
public:
    BodyDecoder(CatalogRecord& record, CatalogItems& items) : record_(record), items_(items) {}

    Result<void> decode(Bytes body) {
        body_ = body;
        ByteReader reader(body);
        std::size_t counters = 0;
        while (!reader.failed() && !reader.left().empty()) {
            const std::uint64_t type = reader.varint();
            const std::uint64_t length = reader.varint();
            const Bytes content = reader.bytes(length);
            if (reader.failed()) break;
            if (auto decoded = decode_any(static_cast<CatalogEntryType>(type), content); !decoded)
                return decoded;
            if (static_cast<CatalogEntryType>(type) == CatalogEntryType::counters) ++counters;
        }
        if (!reader.finished()) return corrupt("an entry's type and length");
        if (counters != 1) return corrupt("the counters, which must be there once,");
        if (auto joined = sound_or(join_checksums(), "a gathered pack's sections"); !joined)
            return joined;
        return hand_names_on();
    }

private:
    Result<void> decode_any(CatalogEntryType type, Bytes content) {
        if (type == CatalogEntryType::segment_named) return decode_segment_name(content);
        if (auto handed = hand_names_on(); !handed) return handed;
        if (type == CatalogEntryType::space_named) return decode_space_name(content);
        if (type != CatalogEntryType::segments) return decode_entry(type, content);
        const auto problem = decode_segments(content, items_);
        return problem ? taken_or(*problem) : corrupt("the segments");
    }

    Result<void> decode_space_name(Bytes content) {
        auto change = segment::decode_change_body(segment::ItemType::space_named, content);
        if (!change) return change.error().within("catalog record");
        return taken_or(items_.take(std::get<segment::SpaceNamed>(*change)));
    }

    Result<void> decode_segment_name(Bytes content) {
        auto named = segment::decode_segment_name(content);
        if (!named) return named.error().within("catalog record");
        names_[names_count_++] = *named;
        return names_count_ == names_.size() ? hand_names_on() : Result<void>();
    }

    Result<void> hand_names_on() {
        if (names_count_ == 0) return {};
        if (!std::exchange(names_expected_, true)) items_.expect_names(count_names(body_));
        const auto names = std::span(names_).first(std::exchange(names_count_, 0));
        return taken_or(items_.take(std::span<const segment::SegmentNameView>(names)));
    }

    Result<void> decode_one_gathered(Bytes content) {
        GatheredPack gathered;
        auto& checksums = replaced_checksums_.emplace_back();
        if (!decode_gathered(content, gathered, checksums)) return corrupt("a gathered pack");
        record_.gathered.push_back(std::move(gathered));
        return {};
    }

    /// Sections may come before or behind what else makes their packs gathered ones.
    bool join_checksums() {
        if (record_.gathered.empty()) return true;
        std::map<std::uint32_t, std::pair<const std::vector<std::uint64_t>*, std::size_t>> of_pack;
        for (std::size_t i = 0; i < record_.gathered.size(); ++i)
            if (!of_pack.emplace(record_.gathered[i].pack, std::pair(&replaced_checksums_[i], 0U))
                     .second)
                return false;
        for (OrderSection& section : record_.sections) {
            const auto found = of_pack.find(section.pack);
            if (found == of_pack.end()) continue;
            auto& [checksums, used] = found->second;
            if (used == checksums->size()) return false;
            section.replaced_checksum = (*checksums)[used++];
        }
        return std::ranges::all_of(of_pack, [](const auto& pack) {
            return pack.second.second == pack.second.first->size();
        });
    }

    Result<void> decode_entry(CatalogEntryType type, Bytes content) {
        switch (type) {
            case CatalogEntryType::counters:
                return sound_or(decode_counters(content, record_), "the counters");
            case CatalogEntryType::pack:
                return sound_or(decode_pack(content, record_.packs), "a pack");
            case CatalogEntryType::piece:
                return sound_or(decode_piece(content, record_.pieces), "a piece");
            case CatalogEntryType::sections:
                return sound_or(decode_sections(content, record_.sections), "the order sections");
            case CatalogEntryType::trims:
                return sound_or(decode_trims(content, record_.trims), "the trims");
            case CatalogEntryType::pack_trims:
                return sound_or(decode_pack_trims(content, record_.pack_trims), "the packs' trims");
            case CatalogEntryType::body_files:
                return sound_or(decode_body_files(content, record_), "the body files");
            case CatalogEntryType::gathered:
                return decode_one_gathered(content);
            case CatalogEntryType::consumers:
                return sound_or(decode_consumers(content, record_.consumers), "the consumers");
            case CatalogEntryType::leases:
                return sound_or(decode_leases(content, record_.leases), "the leases");
            case CatalogEntryType::noted:
                return sound_or(decode_noted(content, record_.noted), "the transactions' ids");
            default:
                return Error(
                    Errc::unsupported_version,
                    fmt::format("catalog record: an entry of type {}, which this version of Braid "
                                "doesn't know",
                                static_cast<std::uint64_t>(type)));
        }
    }

    CatalogRecord& record_;
    CatalogItems& items_;
    Bytes body_;
    std::deque<std::vector<std::uint64_t>> replaced_checksums_;  // of each gathered pack
    bool names_expected_ = false;
    std::array<segment::SegmentNameView, items_at_once> names_;
    std::size_t names_count_ = 0;
};

/// Puts everything into the record.
class RecordLists : public CatalogItems {
public:
    explicit RecordLists(CatalogRecord& record) : record_(record) {}

    void expect_names(std::size_t count) override { record_.names.reserve(count + 1); }
    const char* take(const segment::SpaceNamed& space) override {
        record_.names.push_back(space);
        return nullptr;
    }
    const char* take(std::span<const segment::SegmentNameView> names) override {
        for (const auto& [segment, space, name] : names)
            record_.names.push_back(segment::SegmentNamed{segment, space, std::string(name)});
        return nullptr;
    }
    const char* take(std::span<const SegmentUpdate> segments) override {
        record_.segments.insert(record_.segments.end(), segments.begin(), segments.end());
        return nullptr;
    }

private:
    CatalogRecord& record_;
};

CatalogEntryType name_type(const segment::Change& change) {
    return segment::change_type(change) == segment::ItemType::space_named
               ? CatalogEntryType::space_named
               : CatalogEntryType::segment_named;
}

}  // namespace

void encode_catalog_body(const CatalogRecord& record, std::vector<std::byte>& out) {
    using Out = std::vector<std::byte>;
    EntryWriter entries(out);
    entries.add(CatalogEntryType::counters, [&](Out& to) { encode_counters(record, to); });
    for (const segment::Change& name : record.names)
        entries.add(name_type(name), [&](Out& to) { segment::encode_change_body(name, to); });
    for (const PackInfo& pack : record.packs)
        entries.add(CatalogEntryType::pack, [&](Out& to) { encode_pack(pack, to); });
    for (const Piece& piece : record.pieces)
        entries.add(CatalogEntryType::piece, [&](Out& to) { encode_piece(piece, to); });
    if (!record.segments.empty())
        entries.add(CatalogEntryType::segments,
                    [&](Out& to) { encode_segments(record.segments, to); });
    if (!record.sections.empty())
        entries.add(CatalogEntryType::sections,
                    [&](Out& to) { encode_sections(record.sections, to); });
    if (!record.trims.empty())
        entries.add(CatalogEntryType::trims, [&](Out& to) { encode_trims(record.trims, to); });
    if (!record.pack_trims.empty())
        entries.add(CatalogEntryType::pack_trims,
                    [&](Out& to) { encode_pack_trims(record.pack_trims, to); });
    if (record.next_body_file != 0)
        entries.add(CatalogEntryType::body_files, [&](Out& to) { encode_body_files(record, to); });
    for (const GatheredPack& gathered : record.gathered)
        entries.add(CatalogEntryType::gathered,
                    [&](Out& to) { encode_gathered(gathered, record.sections, to); });
    if (!record.consumers.empty())
        entries.add(CatalogEntryType::consumers,
                    [&](Out& to) { encode_consumers(record.consumers, to); });
    if (!record.leases.empty())
        entries.add(CatalogEntryType::leases, [&](Out& to) { encode_leases(record.leases, to); });
    if (!record.noted.empty())
        entries.add(CatalogEntryType::noted, [&](Out& to) { encode_noted(record.noted, to); });
}

Result<CatalogRecord> decode_catalog_body(CatalogRecordKind kind, Bytes body, CatalogItems& items) {
    CatalogRecord record;
    record.kind = kind;
    if (auto decoded = BodyDecoder(record, items).decode(body); !decoded) return decoded.error();
    return record;
}

Result<CatalogRecord> decode_catalog_body(CatalogRecordKind kind, Bytes body) {
    CatalogRecord record;
    record.kind = kind;
    RecordLists lists(record);
    if (auto decoded = BodyDecoder(record, lists).decode(body); !decoded) return decoded.error();
    return record;
}

}  // namespace braid::index
