#include "tests/fuzz/seal.h"

#include <cstring>

#include "index/catalog.h"
#include "index/catalog_record.h"
#include "index/pack_directory.h"
#include "index/space_order.h"
#include "index/sparse_index.h"
#include "segment/change.h"
#include "segment/frame.h"
#include "segment/link.h"
#include "segment/pack.h"
#include "wal/log_format.h"

namespace braid::fuzz {
namespace {

using segment::FileHeader;
using segment::FrameView;
using Span = std::span<std::byte>;

template <class T>
bool load(Span bytes, std::size_t offset, T& out) {
    if (offset > bytes.size() || bytes.size() - offset < sizeof out) return false;
    std::memcpy(&out, bytes.data() + offset, sizeof out);
    return true;
}

template <class T>
void store(Span bytes, std::size_t offset, const T& value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

/// Sets the first 8 bytes to the checksum of all behind them.
void seal_first(Span bytes, std::uint64_t seed) {
    const boost::endian::little_uint64_buf_t checksum(
        segment::checksum(bytes.subspan(sizeof(std::uint64_t)), seed));
    store(bytes, 0, checksum);
}

void seal_frame(Span frame, std::uint64_t store_seed) {
    const FrameView view(frame.data());
    const boost::endian::little_uint64_buf_t checksum(
        segment::frame_checksum(frame.data(), segment::checksum(view.body(), 0),
                                segment::frame_seed(store_seed, view.segment())));
    store(frame, 0, checksum);
}

void seal_item(Span item, segment::ItemType type, std::uint64_t store_seed) {
    if (segment::is_frame(type)) {
        seal_frame(item, store_seed);
    } else if (item.size() >= segment::change_header_bytes) {
        seal_first(item, store_seed);
    }
}

void seal_link(Span bytes, std::size_t offset) {
    boost::endian::little_uint64_buf_t word;
    if (!load(bytes, offset, word)) return;
    const auto link = segment::Link::from_word(word.value() & ((std::uint64_t{1} << 56) - 1));
    word = link.stored();
    store(bytes, offset, word);
}

/// Also chains batches: each names the one before it in the file.
void seal_log(Span file) {
    if (file.size() < io::block_bytes) return;
    const auto header = wal::decode_log_header(Bytes(file).first(io::block_bytes), "log");
    if (!header || !*header) return;
    const std::uint64_t store_seed = segment::store_seed((*header)->store);
    std::uint64_t previous = (*header)->previous_checksum;
    for (std::size_t at = io::block_bytes; at < file.size();) {
        wal::BatchHeader raw;
        if (!load(file, at, raw)) return;
        const std::size_t body_bytes = raw.body_bytes.value();
        const std::size_t left = file.size() - at - sizeof raw;
        if (raw.type.value() == 0 || raw.type.value() > 3 || body_bytes > left) {
            at += io::block_bytes;
            continue;
        }
        const std::uint64_t seed = segment::mix_seed((*header)->seed(), at);
        const Span body = file.subspan(at + sizeof raw, body_bytes);
        seal_items(body, store_seed);
        raw.previous = previous;
        raw.body_checksum = segment::checksum(body, seed);
        store(file, at, raw);
        seal_first(file.subspan(at, sizeof raw), seed);
        load(file, at, raw);
        previous = raw.checksum.value();
        at += wal::batch_bytes(body_bytes);
    }
}

/// Also numbers and chains the records.
void seal_catalog(Span file, const FileHeader& header) {
    const std::uint64_t seed = index::catalog_seed(header.store, header.number.value());
    std::uint64_t previous = 0;
    std::uint64_t number = 0;
    std::size_t at = header.header_bytes.value();
    index::CatalogRecordHeader record;
    while (load(file, at, record) && record.magic.value() == index::catalog_record_magic) {
        const std::uint64_t body_bytes = record.body_bytes.value();
        if (body_bytes > file.size() - at - sizeof record) return;
        const Bytes body = Bytes(file).subspan(at + sizeof record, body_bytes);
        record.body_checksum = segment::checksum(body, seed);
        if (number != 0) {
            record.number = number;
            record.previous = previous;
        }
        store(file, at, record);
        seal_first(file.subspan(at, sizeof record), seed);
        load(file, at, record);
        number = record.number.value() + 1;
        previous = record.checksum.value();
        at += sizeof record + segment::padded(body_bytes);
    }
}

void seal_directory(Span file, std::uint32_t pack, std::uint64_t store_seed) {
    constexpr std::size_t bytes = index::directory_block_bytes;
    index::DirectoryBlockHeader header;
    for (std::size_t at = bytes; at + bytes <= file.size(); at += bytes)
        if (load(file, at, header) && header.magic.value() == index::directory_magic)
            seal_first(file.subspan(at, bytes), segment::mix_seed(store_seed, pack));
}

void seal_pack(Span file, const FileHeader& header) {
    const std::uint64_t store_seed = segment::store_seed(header.store);
    seal_extents(file.subspan(std::min<std::size_t>(sizeof header, file.size())), store_seed);
    const auto number = static_cast<std::uint32_t>(header.number.value());
    seal_directory(file, number, store_seed);
    seal_order_blocks(file, number, store_seed);
}

void seal_segment_file(Span file, const FileHeader& header) {
    const std::uint64_t store_seed = segment::store_seed(header.store);
    for (std::size_t at = io::block_bytes; at < file.size();) {
        seal_sparse_index(file.subspan(at), store_seed);
        at += io::whole_blocks(seal_items(file.subspan(at), store_seed) + 1);
    }
}

}  // namespace

void seal_extents(Span extents, std::uint64_t store_seed) {
    constexpr std::size_t head = segment::extent_header_bytes;
    for (std::size_t at = 0; at < extents.size() && extents.size() - at > head;) {
        const Span item = extents.subspan(at + head);
        const segment::Look found = segment::look(item);
        if (found.found != segment::Found::item) return;
        seal_link(extents, at);
        seal_link(extents, at + sizeof(std::uint64_t));
        seal_item(item.first(found.length), found.type, store_seed);
        at += head + segment::padded(found.length);
    }
}

std::size_t seal_items(Span items, std::uint64_t store_seed) {
    std::size_t at = 0;
    while (at < items.size()) {
        const Span item = items.subspan(at);
        const segment::Look found = segment::look(item);
        if (found.found != segment::Found::item) break;
        seal_item(item.first(found.length), found.type, store_seed);
        at += segment::padded(found.length);
    }
    return at;
}

void seal_order_blocks(Span bytes, std::uint32_t pack, std::uint64_t store_seed) {
    const std::uint64_t seed = segment::mix_seed(store_seed, pack);
    std::uint64_t previous = 0;
    std::uint64_t space = 0;
    index::OrderBlockHeader header;
    for (std::size_t at = 0; load(bytes, at, header); at += 8) {
        if (header.magic.value() != index::order_block_magic) continue;
        const std::size_t length = header.bytes.value();
        if (length < sizeof header || length > bytes.size() - at) continue;
        // The first block of a space in a pack names one of an earlier pack, or none.
        if (header.space.value() == space) header.previous = previous;
        store(bytes, at, header);
        seal_first(bytes.subspan(at, length), seed);
        load(bytes, at, header);
        previous = header.checksum.value();
        space = header.space.value();
    }
}

void seal_sparse_index(Span bytes, std::uint64_t store_seed) {
    index::SparseIndexHeader header;
    if (!load(bytes, 0, header) || header.magic.value() != index::sparse_index_magic) return;
    const std::uint64_t length =
        sizeof header + std::uint64_t{header.count.value()} * index::sparse_entry_bytes;
    if (length <= bytes.size()) seal_first(bytes.first(length), store_seed);
}

void seal_file(Span file) {
    FileHeader header;
    if (!load(file, 0, header)) return;
    seal_first(file.first(sizeof header), 0);
    switch (static_cast<segment::FileKind>(header.kind.value())) {
        case segment::FileKind::log:
            return seal_log(file);
        case segment::FileKind::pack:
            return seal_pack(file, header);
        case segment::FileKind::segment:
            return seal_segment_file(file, header);
        case segment::FileKind::catalog:
            return seal_catalog(file, header);
        case segment::FileKind::body:
            return;  // bodies have their hashes in the frames that refer to them
    }
}

}  // namespace braid::fuzz
