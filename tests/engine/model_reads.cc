// The reading half of a model run.
#include <fmt/format.h>
#include <algorithm>
#include <chrono>

#include "tests/engine/model_run.h"

namespace braid::test {

namespace {

std::uint64_t highest_cursor(const ModelSelection& selection) {
    std::uint64_t highest = selection.after;
    for (const auto& [space, cursor] : selection.spaces) highest = std::max(highest, cursor);
    return highest;
}

std::string described(const ModelSelection& selection) {
    std::string text = selection.all_spaces ? "all" : "";
    for (const auto& [space, cursor] : selection.spaces) {
        text += fmt::format("{}@{} ", shown(space), cursor);
    }
    if (selection.segment) text += fmt::format("/ {} ", shown(*selection.segment));
    const auto bound = [&](const char* name, std::uint64_t value, std::uint64_t normal) {
        if (value != normal) text += fmt::format(" {} {}", name, value);
    };
    bound("from", selection.from, 0);
    bound("to", selection.to, no_limit);
    bound("from_time", selection.from_time, 0);
    bound("to_time", selection.to_time, no_limit);
    bound("after", selection.after, 0);
    bound("limit", selection.limit, 0);
    bound("as_of", selection.as_of, no_limit);
    if (selection.skip_trimmed) text += " skipping";
    return text + (selection.backward ? " backward" : "");
}

}  // namespace

std::uint64_t ModelRun::random_cursor(Random& random) const {
    if (random.percent(40)) return 0;
    return random.below(model_.last_position() + (random.percent(10) ? 3 : 1));
}

std::uint64_t ModelRun::random_time(Random& random) const {
    if (model_.last_position() == 0) return random.below(3);
    const std::uint64_t time = model_.at(random.between(1, model_.last_position())).timestamp;
    return time + random.below(3) - 1;
}

ModelSelection ModelRun::random_bounds(Random& random) {
    ModelSelection selection;
    selection.after = random_cursor(random);
    if (random.percent(20)) {
        settle();  // so that the model knows every timestamp
        if (random.percent(70)) selection.from_time = random_time(random);
        if (random.percent(70)) selection.to_time = random_time(random);
    }
    if (random.percent(40)) selection.limit = random.percent(10) ? no_limit : random.below(20);
    selection.backward = random.percent(30);
    selection.skip_trimmed = random.percent(70);
    return selection;
}

Reader ModelRun::open_selected(const Store& store, const ModelSelection& selection,
                               Level level) const {
    const OnTrimmed on_trimmed = selection.skip_trimmed ? OnTrimmed::skip : OnTrimmed::refuse;
    if (selection.segment) {
        return store.read_segment(selection.spaces.begin()->first, *selection.segment,
                                  {.from = selection.from,
                                   .to = selection.to,
                                   .from_time = selection.from_time,
                                   .to_time = selection.to_time,
                                   .after = selection.after,
                                   .limit = selection.limit,
                                   .backward = selection.backward,
                                   .level = level,
                                   .on_trimmed = on_trimmed,
                                   .as_of = selection.as_of});
    }
    const Bounds bounds{.after = selection.after,
                        .from_time = selection.from_time,
                        .to_time = selection.to_time,
                        .limit = selection.limit,
                        .backward = selection.backward,
                        .level = level,
                        .on_trimmed = on_trimmed,
                        .as_of = selection.as_of};
    if (selection.all_spaces) return store.read_all(bounds);
    if (selection.spaces.size() == 1 && selection.spaces.begin()->second == 0) {
        return store.read_space(selection.spaces.begin()->first, bounds);
    }
    std::vector<SpaceCursor> spaces;
    for (const auto& [space, cursor] : selection.spaces) spaces.push_back({space, cursor});
    return store.read_spaces(spaces, bounds);
}

/// As of a position whose transaction's end can be known: what lies on both sides of it is left.
void ModelRun::add_as_of(Random& random, ModelSelection& selection) const {
    const std::uint64_t visible = this->visible(Level::committed);
    const std::uint64_t as_of = random.below(visible + 1);
    const auto is_trimmed = [&](std::uint64_t position) {
        if (position == 0 || position > visible) return false;
        const Seen& entry = model_.at(position);
        return entry.sequence <= model_.trimmed(entry.space, entry.segment);
    };
    if (is_trimmed(as_of) || is_trimmed(as_of + 1)) return;
    selection.as_of = as_of;
    selection.skip_trimmed = true;
}

void ModelRun::compare_entry(const Entry& entry) {
    const std::uint64_t position = entry.position.value;
    check(position >= 1 && position <= model_.last_position(),
          fmt::format("an entry at position {} of {}", position, model_.last_position()));
    Seen got = seen(entry);
    if (model_.at(position).timestamp == 0) {
        if (const auto problem =
                model_.learn_timestamp(model_.at(position).transaction, got.timestamp)) {
            throw Mismatch(*problem);
        }
    }
    const Seen& want = model_.at(position);
    if (got == want) return;
    const char* what = got.space != want.space               ? "space"
                       : got.segment != want.segment         ? "segment"
                       : got.sequence != want.sequence       ? "sequence"
                       : got.timestamp != want.timestamp     ? "timestamp"
                       : got.transaction != want.transaction ? "transaction"
                       : got.payload != want.payload         ? "payload"
                                                             : "metadata";
    throw Mismatch(
        fmt::format("position {}: wrong {} ({}/{} sequence {} transaction {}, {} bytes; "
                    "expected {}/{} sequence {} transaction {}, {} bytes)",
                    position, what, shown(got.space), shown(got.segment), got.sequence,
                    got.transaction, got.payload.size(), shown(want.space), shown(want.segment),
                    want.sequence, want.transaction, want.payload.size()));
}

void ModelRun::check_refusal(const Error& error, const ModelSelection& selection,
                             std::uint64_t low) {
    if (error.code() == Errc::trimmed) return check_trimmed(error, selection, low);
    check(error.code() == Errc::out_of_range && highest_cursor(selection) > low,
          fmt::format("reading {}: {}", described(selection), error.message()));
}

void ModelRun::check_trimmed(const Error& error, const ModelSelection& selection,
                             std::uint64_t low) {
    const std::uint64_t through = model_.refused_through(selection);
    check(through != 0, fmt::format("reading {}: {}", described(selection), error.message()));
    // Of several spaces the first one that is trimmed is told.
    const Trimmed told = error.trimmed().value();
    check(
        told.trimmed_through.value != 0 && told.trimmed_through.value <= through,
        fmt::format("reading {}: {}; expected {}", described(selection), error.message(), through));
    ModelSelection left = selection;
    left.skip_trimmed = true;
    for (const std::uint64_t end : model_.ends(low, model_.last_position())) {
        const auto rest = model_.read(left, end);
        if (told.first_left.value == (rest.empty() ? 0 : rest.front())) return;
    }
    throw Mismatch(fmt::format("reading {}: {}", described(selection), error.message()));
}

void ModelRun::check_cursor(Position cursor, std::uint64_t last_seen) const {
    check(
        cursor.value <= last_seen && cursor.value >= std::min(last_seen, durable_),
        fmt::format("cursor {} after position {}, durable {}", cursor.value, last_seen, durable_));
}

void ModelRun::compare(const Store& store, const ModelSelection& selection, Level level,
                       std::uint64_t low) {
    Reader reader = open_selected(store, selection, level);
    std::vector<std::uint64_t> got;
    while (const Result<Entry>* next = reader.next()) {
        if (!*next) {
            check(got.empty(), fmt::format("reading {}: {} entries, then {}", described(selection),
                                           got.size(), next->error().message()));
            check_refusal(next->error(), selection, low);
            check(reader.next() != nullptr, "an error, and then an end");
            return;
        }
        compare_entry(**next);
        got.push_back((*next)->position.value);
        check_cursor(reader.cursor(), std::max(got.front(), got.back()));
    }
    check(reader.next() == nullptr, "an end, and then something");
    check(model_.refused_through(selection) == 0,
          fmt::format("reading {}: trimmed through {}, and nothing said", described(selection),
                      model_.refused_through(selection)));
    check(highest_cursor(selection) <= model_.last_position(),
          fmt::format("reading {}: a cursor beyond the end was taken", described(selection)));
    for (const std::uint64_t end : model_.ends(low, model_.last_position())) {
        if (model_.read(selection, end) == got) return;
    }
    const std::vector<std::uint64_t> want = model_.read(selection, model_.last_position());
    throw Mismatch(
        fmt::format("reading {}: {} entries ({}..{}), expected {} ({}..{}); visible {} to {}",
                    described(selection), got.size(), got.empty() ? 0 : got.front(),
                    got.empty() ? 0 : got.back(), want.size(), want.empty() ? 0 : want.front(),
                    want.empty() ? 0 : want.back(), low, model_.last_position()));
}

void ModelRun::read(const ModelSelection& selection, Level level) {
    tell("read {}{}", described(selection), level == Level::durable ? " durable" : "");
    compare(*store_, selection, level, visible(level));
}

void ModelRun::read_random(Random& random, Step kind) {
    ModelSelection selection = random_bounds(random);
    switch (kind) {
        case Step::read_segment: {
            selection.spaces[random_name(random, true)] = 0;
            selection.segment = random_name(random, false);
            const std::uint64_t length =
                model_.last_sequence(selection.spaces.begin()->first, *selection.segment);
            if (random.percent(50)) selection.from = random.below(length + 3);
            if (random.percent(50)) selection.to = random.below(length + 3);
            break;
        }
        case Step::read_space:
            selection.spaces[random_name(random, true)] = 0;
            break;
        case Step::read_spaces:
            for (const std::string& space : space_names_) {
                if (random.percent(60)) selection.spaces[space] = random_cursor(random);
            }
            if (random.percent(10)) selection.spaces["missing"] = 0;
            break;
        default:
            selection.all_spaces = true;
            break;
    }
    if (random.percent(20)) add_as_of(random, selection);
    read(selection, random.percent(25) ? Level::durable : Level::committed);
}

void ModelRun::compare_everything() {
    tell("compare everything");
    settle();
    ModelSelection all;
    all.all_spaces = true;
    all.skip_trimmed = true;
    compare(*store_, all, Level::committed, acknowledged_);
    for (const std::string& space : space_names_) {
        ModelSelection one;
        one.spaces[space] = 0;
        one.skip_trimmed = true;
        compare(*store_, one, Level::committed, acknowledged_);
        for (const std::string& segment : segment_names_) {
            compare_status(space, segment);
            one.segment = segment;
            one.backward = false;
            compare(*store_, one, Level::committed, acknowledged_);
            one.backward = true;
            compare(*store_, one, Level::committed, acknowledged_);
        }
    }
    stat();
}

void ModelRun::peek(Random& random) {
    const std::string space = random_name(random, true);
    const std::string segment = random_name(random, false);
    const Level level = random.percent(30) ? Level::durable : Level::committed;
    tell("peek {}/{}", shown(space), shown(segment));
    const auto peeked = store_->peek(space, segment, level);
    if (!peeked) throw Mismatch("peek: " + peeked.error().message());
    ModelSelection newest;
    newest.spaces[space] = 0;
    newest.segment = segment;
    newest.backward = true;
    newest.limit = 1;
    std::vector<std::uint64_t> got;
    if (*peeked) {
        compare_entry(***peeked);
        got.push_back((**peeked)->position.value);
    }
    for (const std::uint64_t end : model_.ends(visible(level), model_.last_position())) {
        if (model_.read(newest, end) == got) return;
    }
    throw Mismatch(fmt::format("peek {}/{} gave position {}", shown(space), shown(segment),
                               got.empty() ? 0 : got.front()));
}

void ModelRun::compare_status(const std::string& space, const std::string& segment) {
    const Result<SegmentStatus> status = store_->status(space, segment);
    if (!status) throw Mismatch("status: " + status.error().message());
    ModelSelection whole;
    whole.spaces[space] = 0;
    whole.segment = segment;
    const std::vector<std::uint64_t> held = model_.read(whole, model_.last_position());
    const Seen first = held.empty() ? Seen() : model_.at(held.front());
    const Seen last = model_.newest(space, segment);
    const std::uint64_t first_sequence =
        last.sequence == 0 ? 0 : model_.trimmed(space, segment) + 1;
    const bool same = status->first_sequence.value == first_sequence &&
                      status->last_sequence.value == last.sequence &&
                      status->first_timestamp.value == first.timestamp &&
                      status->last_timestamp.value == last.timestamp &&
                      status->last_position.value == last.position;
    check(same, fmt::format("status of {}/{}: sequences {}..{}, last position {}; expected {}..{}, "
                            "{}; or its timestamps",
                            shown(space), shown(segment), status->first_sequence.value,
                            status->last_sequence.value, status->last_position.value,
                            first.sequence, last.sequence, last.position));
}

void ModelRun::status(Random& random) {
    tell("status");
    settle();
    compare_status(random_name(random, true), random_name(random, false));
}

void ModelRun::list(Random& random) {
    settle();
    const std::uint64_t limit = random.below(4);
    const bool spaces = random.percent(40);
    const std::string space = random_name(random, true);
    const std::string after = random.percent(60) ? "" : random_name(random, spaces);
    tell("list {} after {} limit {}", spaces ? "spaces" : shown(space), shown(after), limit);
    const auto listed =
        spaces ? store_->spaces(page(after, limit)) : store_->segments(space, page(after, limit));
    if (!listed) throw Mismatch("listing: " + listed.error().message());
    std::vector<std::string> expected;
    for (const std::string& name : spaces ? model_.spaces(model_.last_position())
                                          : model_.segments(space, model_.last_position())) {
        if (ByUnsignedBytes()(after, name) && (limit == 0 || expected.size() < limit)) {
            expected.push_back(name);
        }
    }
    check(*listed == expected,
          fmt::format("a listing of {} names, expected {}", listed->size(), expected.size()));
}

void ModelRun::stat() {
    settle();
    const StoreStat stat = store_->stat();
    const std::uint64_t last = model_.last_position();
    check(stat.committed.value == last && stat.sequenced.value == last,
          fmt::format("stat: sequenced {}, committed {}, expected {}", stat.sequenced.value,
                      stat.committed.value, last));
    check(stat.durable.value >= durable_ && stat.durable.value <= last,
          fmt::format("stat: durable {}, expected {} to {}", stat.durable.value, durable_, last));
    check(stat.drained <= stat.durable, "stat: more is drained than durable");
    check(stat.last_transaction.value == model_.last_transaction(),
          fmt::format("stat: last transaction {}, expected {}", stat.last_transaction.value,
                      model_.last_transaction()));
    const std::uint64_t spaces = model_.spaces(last).size();
    check(stat.spaces == spaces && stat.segments == model_.segment_count(),
          fmt::format("stat: {} spaces and {} segments, expected {} and {}", stat.spaces,
                      stat.segments, spaces, model_.segment_count()));
    check(stat.unknown_files.empty(),
          stat.unknown_files.empty() ? "" : "stat: an unknown file: " + stat.unknown_files.front());
    check(stat.torn_bytes == 0, "stat: a torn tail: " + stat.torn_tail);
    compare_consumers();
    compare_leases();
}

void ModelRun::verify() {
    tell("verify");
    const Result<VerifyReport> report = store_->verify();
    if (!report) throw Mismatch("verify: " + report.error().message());
    if (report->damages.empty()) return;
    const Damage& damage = report->damages.front();
    throw Mismatch(fmt::format("verify: {} at {}: {}", damage.file, damage.offset, damage.what));
}

void ModelRun::open_reader(Random& random) {
    if (readers_.size() >= 8) readers_.erase(readers_.begin());
    ModelSelection selection = random_bounds(random);
    selection.after = std::min(selection.after, model_.last_position());
    selection.skip_trimmed = true;
    if (random.percent(30)) {
        selection.all_spaces = true;
    } else {
        selection.spaces[random_name(random, true)] = 0;
        if (random.percent(60)) selection.segment = random_name(random, false);
    }
    settle();
    const Level level = random.percent(30) ? Level::durable : Level::committed;
    if (level == Level::durable) sync();
    tell("open a reader of {}", described(selection));
    readers_.push_back(
        {open_selected(*store_, selection, level), model_.read(selection, model_.last_position())});
}

void ModelRun::step_reader(Random& random) {
    if (readers_.empty()) return;
    tell("step a reader");
    step_one(readers_[random.below(readers_.size())], random.below(40), false);
}

void ModelRun::step_one(OpenReader& open, std::uint64_t count, bool closed) {
    for (; count > 0; --count) {
        const Result<Entry>* next = open.reader.next();
        if (next == nullptr) {
            check(open.at == open.expected.size(),
                  fmt::format("an open reader ends after {} of {} entries", open.at,
                              open.expected.size()));
            return;
        }
        if (!*next) {
            check(closed && next->error().code() == Errc::closed,
                  "an open reader: " + next->error().message());
            return;
        }
        check(open.at < open.expected.size(), "an open reader goes beyond its end");
        check((*next)->position.value == open.expected[open.at],
              fmt::format("an open reader gives position {}, expected {}", (*next)->position.value,
                          open.expected[open.at]));
        compare_entry(**next);
        ++open.at;
    }
}

void ModelRun::open_follower(Random& random) {
    if (followers_.size() >= 4) followers_.erase(followers_.begin());
    ModelSelection selection;
    const Level level = random.percent(50) ? Level::durable : Level::committed;
    const FollowBounds bounds{.after = random.percent(50) ? random.below(visible(level) + 1) : 0,
                              .level = level,
                              .on_trimmed = OnTrimmed::skip};
    selection.after = bounds.after.value;
    const std::string space = random_name(random, true);
    const std::string segment = random_name(random, false);
    const std::uint64_t kind = random.below(3);
    selection.all_spaces = kind == 0;
    if (kind > 0) selection.spaces[space] = 0;
    if (kind > 1) selection.segment = segment;
    tell("open a follower of {}", described(selection));
    followers_.push_back({kind == 0   ? store_->follow_all(bounds)
                          : kind == 1 ? store_->follow_space(space, bounds)
                                      : store_->follow_segment(space, segment, bounds),
                          selection, level, selection.after});
}

void ModelRun::step_follower(OpenFollower& open, bool closed) {
    tell("step a follower of {}", described(open.selection));
    for (;;) {
        const Result<Entry>* next = closed ? open.follower.next() : open.follower.try_next();
        if (next == nullptr) break;
        if (!*next) {
            check(closed && next->error().code() == Errc::closed,
                  "a follower: " + next->error().message());
            return;
        }
        open.selection.after = open.seen;
        const std::vector<std::uint64_t> rest = model_.read(open.selection, model_.last_position());
        check(!rest.empty() && rest.front() == (*next)->position.value,
              fmt::format("a follower goes from {} to {}, expected {}", open.seen,
                          (*next)->position.value, rest.empty() ? 0 : rest.front()));
        compare_entry(**next);
        open.seen = rest.front();
        check_cursor(open.follower.cursor(), open.seen);
    }
    open.selection.after = open.seen;
    check(
        model_.read(open.selection, visible(open.level)).empty(),
        fmt::format("a follower stops at {} though {} is visible", open.seen, visible(open.level)));
}

void ModelRun::keep_entries(Random& random) {
    if (kept_.size() > 60) kept_.clear();
    tell("keep some entries");
    const Bounds bounds{.after = random.below(acknowledged_ + 1),
                        .limit = random.between(1, 10),
                        .on_trimmed = OnTrimmed::skip};
    Reader reader = store_->read_all(bounds);
    while (const Result<Entry>* next = reader.next()) {
        if (!*next) throw Mismatch("reading what to keep: " + next->error().message());
        kept_.push_back(
            {random.percent(70) ? (*next)->keep() : (*next)->copy(), (*next)->position.value});
    }
    check_kept();
}

void ModelRun::check_kept() {
    for (const Kept& kept : kept_) {
        check(kept.entry->position.value == kept.position, "a kept entry has another position");
        compare_entry(*kept.entry);
    }
}

void ModelRun::look_read_only(Random& random) {
    settle();
    if (!viewer_) {
        tell("open a read-only store beside the writer");
        Options options = options_;
        options.create = false;
        options.read_only = true;
        Result<Store> opened = Store::open(directory_.path(), options);
        if (!opened) throw Mismatch("open read-only: " + opened.error().message());
        viewer_ = *std::move(opened);
    } else {
        tell("refresh the read-only store");
        const Result<void> refreshed = viewer_->refresh();
        if (!refreshed) throw Mismatch("refresh: " + refreshed.error().message());
    }
    ModelSelection selection;
    selection.skip_trimmed = random.percent(50);
    compare(*viewer_, selection, Level::committed, durable_);
    selection.all_spaces = true;
    compare(*viewer_, selection, Level::committed, durable_);
    selection.all_spaces = false;
    selection.spaces[random_name(random, true)] = 0;
    compare(*viewer_, selection, Level::committed, durable_);
    selection.segment = random_name(random, false);
    selection.backward = random.percent(50);
    compare(*viewer_, selection, Level::durable, durable_);
    if (random.percent(30)) viewer_.reset();
}

}  // namespace braid::test
