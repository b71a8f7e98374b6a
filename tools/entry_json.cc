#include "tools/entry_json.h"

#include <algorithm>

#include "tools/json_writer.h"

namespace braid::tools {

namespace {

bool is_utf8_pair(const KeyValue& pair) {
    return is_utf8(pair.key) && is_utf8(pair.value);
}

/// An object can neither repeat a key nor hold bytes that aren't text.
bool fits_object(std::span<const KeyValue> metadata) {
    if (!std::ranges::all_of(metadata, is_utf8_pair)) return false;
    if (metadata.size() < 2) return true;
    std::vector<std::string_view> keys;
    for (const KeyValue& pair : metadata) keys.push_back(pair.key);
    std::ranges::sort(keys);
    return std::ranges::adjacent_find(keys) == keys.end();
}

void append_metadata_object(Buffer& out, std::span<const KeyValue> metadata) {
    char before = '{';
    for (const KeyValue& pair : metadata) {
        out.push_back(before);
        append_json_string(out, pair.key);
        out.push_back(':');
        append_json_string(out, pair.value);
        before = ',';
    }
    if (metadata.empty()) out.push_back('{');
    out.push_back('}');
}

void append_metadata_list(Buffer& out, std::span<const KeyValue> metadata) {
    char before = '[';
    for (const KeyValue& pair : metadata) {
        out.push_back(before);
        before = ',';
        if (is_utf8_pair(pair)) {
            out.push_back('[');
            append_json_string(out, pair.key);
            out.push_back(',');
            append_json_string(out, pair.value);
            out.push_back(']');
        } else {
            JsonObject(out).bytes("key", pair.key).bytes("value", pair.value).end();
        }
    }
    out.push_back(']');
}

}  // namespace

void EntryJson::append(Buffer& out, const Entry& entry) {
    metadata_.clear();
    for (const KeyValue& pair : entry.metadata) metadata_.push_back(pair);
    append(out, entry, metadata_);
}

void EntryJson::append(Buffer& out, const Entry& entry, std::span<const KeyValue> metadata) {
    JsonObject object(out);
    object.bytes("space", entry.space)
        .bytes("segment", entry.segment)
        .number("sequence", entry.sequence.value)
        .number("position", entry.position.value)
        .number("timestamp", entry.timestamp.value)
        .number("transaction", entry.transaction.value);
    if (fits_object(metadata)) {
        append_metadata_object(object.value("metadata"), metadata);
    } else {
        append_metadata_list(object.value("metadata_list"), metadata);
    }
    object.bytes("payload", entry.text()).end_line();
}

}  // namespace braid::tools
