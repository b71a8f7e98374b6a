// Consumers and repeated transactions, beside the model.
#include <algorithm>

#include "tests/engine/model_run.h"

namespace braid::test {

/// Of few consumers and sources, most of them as they must be.
void ModelRun::add_moves(Random& random, ModelTransaction& transaction) {
    for (std::uint64_t left = random.between(1, 3); left > 0; --left) {
        ModelMove move;
        const std::uint64_t kind = random.below(10);
        if (kind == 0) move.kind = ModelMove::Kind::take;
        if (kind == 1) move.kind = ModelMove::Kind::remove;
        move.consumer = fmt::format("c{}", random.below(4));
        const auto known = model_.consumers().find(move.consumer);
        const ModelConsumer consumer =
            known == model_.consumers().end() ? ModelConsumer() : known->second;
        move.epoch = random.percent(95) ? consumer.epoch : consumer.epoch + 1;
        if (move.kind == ModelMove::Kind::set) {
            if (random.percent(80)) move.space = random_name(random, true);
            if (!move.space.empty() && random.percent(40))
                move.segment = random_name(random, false);
            const auto cursor = consumer.cursors.find({move.space, move.segment});
            const std::uint64_t stands = cursor == consumer.cursors.end() ? 0 : cursor->second;
            // What is known to be durable can't be beyond it.
            move.position = random.percent(80) ? std::min(durable_, stands + random.below(5))
                                               : random.below(durable_ + 1);
            move.backward = random.percent(50);
            if (random.percent(20)) move.expect = random.percent(80) ? stands : stands + 1;
        }
        transaction.moves.push_back(std::move(move));
    }
}

void ModelRun::build_moves(Transaction& target, const ModelTransaction& transaction) const {
    for (const ModelMove& move : transaction.moves) {
        MoveOptions options;
        options.epoch = move.epoch;
        options.backward = move.backward;
        if (move.expect) options.expect = Position(*move.expect);
        const Source source{std::string_view(move.space), std::string_view(move.segment)};
        if (move.kind == ModelMove::Kind::take) target.take_consumer(move.consumer);
        if (move.kind == ModelMove::Kind::remove) target.delete_consumer(move.consumer, options);
        if (move.kind == ModelMove::Kind::set)
            target.set_consumer(move.consumer, source, move.position, options);
    }
}

void ModelRun::note(const TransactionId& id, const ModelTransaction& transaction,
                    const ModelOutcome& outcome) {
    noted_.push_back({id, transaction, outcome});
    if (noted_.size() > 20) noted_.pop_front();
}

/// The same content under the same id, whatever is trimmed or drained since.
void ModelRun::repeat(Random& random) {
    const Noted& noted = noted_[random.below(noted_.size())];
    const Durability durability = random.percent(50) ? Durability::durable : Durability::buffered;
    tell("repeat transaction {}", noted.outcome.transaction);
    Transaction target = store_->begin();
    build(target, noted.transaction);
    const Result<Receipt> receipt = target.set_id(noted.id).commit(durability);
    if (!receipt) throw Mismatch("a repeated transaction got: " + receipt.error().message());
    check(receipt->repeated && receipt->transaction.value == noted.outcome.transaction &&
              receipt->first_position.value == noted.outcome.first_position &&
              receipt->last_position.value == noted.outcome.last_position,
          "a repeated transaction isn't told its numbers");
    bool trimmed = false;
    for (const ModelAppend& append : noted.transaction.appends)
        trimmed |= model_.trimmed(append.space, append.segment) != 0;
    if (!trimmed) check_receipt(*receipt, noted.outcome);
    acknowledged_ = std::max(acknowledged_, noted.outcome.last_position);
    if (durability == Durability::durable)
        durable_ = std::max(durable_, noted.outcome.last_position);
}

/// All of them, with their lags, when nothing is on its way.
void ModelRun::compare_consumers() {
    const auto names = store_->consumers();
    check(names && names->size() == model_.consumers().size(), "the number of consumers");
    for (const auto& [name, expected] : model_.consumers()) {
        const auto consumer = store_->consumer(name);
        check(consumer && *consumer, "consumer " + name + " is missing");
        check((*consumer)->epoch.value == expected.epoch, "the epoch of consumer " + name);
        check((*consumer)->cursors.size() == expected.cursors.size(),
              "the number of cursors of consumer " + name);
        for (const ConsumerCursor& cursor : (*consumer)->cursors) {
            const auto known = expected.cursors.find({cursor.space, cursor.segment});
            check(known != expected.cursors.end() && known->second == cursor.position.value,
                  "a cursor of consumer " + name);
            ModelSelection left;
            left.all_spaces = cursor.space.empty();
            if (!left.all_spaces) left.spaces[cursor.space] = 0;
            if (!cursor.segment.empty()) left.segment = cursor.segment;
            left.after = cursor.position.value;
            left.skip_trimmed = true;
            const auto lag =
                store_->lag({std::string_view(cursor.space), std::string_view(cursor.segment)},
                            cursor.position);
            const std::uint64_t entries = model_.read(left, model_.last_position()).size();
            check(lag && *lag == entries,
                  fmt::format("the lag of consumer {} in '{}' '{}' from {}: {}, expected {}", name,
                              shown(cursor.space), shown(cursor.segment), cursor.position.value,
                              lag ? *lag : 0, entries));
        }
    }
}

}  // namespace braid::test
