// Cuts the power at every call of random histories, recovers, and compares with a model.
//
// A history is a sequence of puts, removes, mixed batches, large batches, syncs, checkpoints, reopenings and
// the steps of bulk loads: claims that are written, committed one by one or together, or dropped. Before
// each call that the store makes to its file system, the power is cut several times: with nothing unsynced
// surviving, with everything, and with random subsets of pages, sectors, sizes and names. Each machine that
// results opens the store, which must hold one of the states that the promises allow; some go on writing,
// and some have the power cut again at every call of their recovery.
//
// QUIRE_SEED chooses the first history (printed), QUIRE_HISTORIES how many, QUIRE_NIGHTLY=1 many.
#include <cstdio>
#include <cstdlib>
#include <deque>

#include "vector/bulk_load_fixture.hpp"

namespace quire::vector {
namespace {

std::uint64_t from_environment(const char* name, std::uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text != nullptr ? std::strtoull(text, nullptr, 10) : otherwise;
}

constexpr int kSteps = 30;

// A cut takes ten times as long with AddressSanitizer, which looks for other faults than lost writes.
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCutAtOneIn = 7;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
constexpr std::uint64_t kCutAtOneIn = 7;
#else
constexpr std::uint64_t kCutAtOneIn = 1;
#endif
#else
constexpr std::uint64_t kCutAtOneIn = 1;
#endif

class History {
 public:
  History(std::uint64_t seed, Durability durability, std::uint32_t dimension)
      : seed_(seed),
        durability_(durability),
        dimension_(dimension),
        random_(seed),
        cuts_random_(~seed) {
    states_.emplace_back();
    disk_.write_back_one_in(8, seed);
    disk_.set_hook([this](const os::SimulatedCall& call) {
      const bool is_due = calls_++ % kCutAtOneIn == 0;
      if (is_due && !::testing::Test::HasFailure()) cut_everywhere(call);
      return os::SimulatedOutcome{};
    });
  }

  void run(int steps) {
    create();
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) step();
    end_load();
    store_.reset();
    if (!::testing::Test::HasFailure()) cut_everywhere({0, "after the end", "", {}});
  }

  std::uint64_t cuts() const { return cuts_; }

 private:
  // Small thresholds, so that every path runs often.
  static OpenStoreOptions open_options() {
    return {.checkpoint_log_bytes = 12'000,
            .direct_batch_bytes = 1500,
            .compact_above = 1,
            .spare_log_bytes = 4096,
            .background = false};
  }
  VectorStoreOptions store_options() const {
    return {.dimension = dimension_, .element_type = ElementType::u8, .durability = durability_};
  }

  void create() {
    exists_ = false;
    auto made = StoreAccess::create(disk_, kStorePath, store_options(), open_options());
    ASSERT_TRUE(succeeded(made));
    store_.emplace(*std::move(made));
    exists_ = true;
  }

  // One step: `next` is the state it leads to. Until it returns, both are allowed.
  void step() {
    const std::uint64_t kind = random_() % 100;
    if (kind < 27) {
      put(1);
    } else if (kind < 37) {
      mixed_batch();
    } else if (kind < 42) {
      put(20 + random_() % 200);  // large enough to go to the rows file at once
    } else if (kind < 52) {
      remove();
    } else if (kind < 57) {
      raise_durability([this] { return store_->sync(); });
    } else if (kind < 62) {
      raise_durability([this] { return store_->checkpoint(); });
    } else if (kind < 64) {
      end_load();
      raise_durability([this] { return store_->close(); });
      reopen();
    } else if (kind < 66) {
      reopen();
    } else if (kind < 69) {
      end_load();
      compact();
    } else if (kind < 72) {
      put_if();
    } else {
      step_of_a_load(kind);
    }
  }

  void step_of_a_load(std::uint64_t kind) {
    if (kind < 85) {
      claim_and_append();
    } else if (kind < 89) {
      if (!claims_.empty()) commit_claims(random_() % claims_.size(), 1);
    } else if (kind < 94) {
      commit_claims(0, claims_.size());
    } else if (kind < 97) {
      if (!claims_.empty()) claims_.pop_back();
    } else {
      end_load();
    }
  }

  // Nothing that anybody may see.
  void claim_and_append() {
    if (!loader_) {
      auto begun = store_->bulk_load({.block_bytes = std::uint64_t{30} * dimension_});
      ASSERT_TRUE(succeeded(begun));
      loader_.emplace(*std::move(begun));
    }
    auto rows = loader_->claim(1 + random_() % 40);
    ASSERT_TRUE(succeeded(rows));
    claims_.push_back({.rows = *std::move(rows), .appended = {}});
    for (Claim& claim : claims_) {
      std::vector<std::uint64_t> ids(random_() % (claim.rows.capacity() - claim.rows.size() + 1));
      for (std::uint64_t& id : ids) id = random_() % 64;
      ASSERT_TRUE(succeeded(claim.append(ids, mark_ + 1, dimension_)));
      mark_ += ids.size();
    }
  }

  void commit_claims(std::size_t first, std::size_t count) {
    if (count == 0) return;
    if (random_() % 3 == 0) {  // the checkpoint's rows reach beyond those of the claims
      put(1);
      raise_durability([this] { return store_->checkpoint(); });
    }
    const auto claims = std::span(claims_).subspan(first, count);
    Model next = current();
    for (const Claim& claim : claims) claim.put_into(next);
    write(std::move(next), [&] { return commit_all(*loader_, claims); });
    std::erase_if(claims_, [](const Claim& claim) { return claim.rows.capacity() == 0; });
  }

  void end_load() {
    claims_.clear();
    loader_.reset();
  }

  const Model& current() const { return states_.back(); }

  void put(std::uint64_t count) {
    Model next = current();
    std::vector<std::uint64_t> ids;
    std::vector<std::uint8_t> rows;
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t id = random_() % 64;
      const auto row = vector_of(++mark_, dimension_);
      ids.push_back(id);
      rows.insert(rows.end(), row.begin(), row.end());
      next[id] = row;
    }
    write(std::move(next), [&] { return store_->put_batch(ids, rows); });
  }

  void mixed_batch() {
    Model next = current();
    WriteBatch batch;
    for (std::uint64_t i = 0; i < 2 + random_() % 8; ++i) {
      const std::uint64_t id = random_() % 64;
      if (random_() % 3 == 0) {
        batch.remove(id);
        next.erase(id);
      } else {
        next[id] = vector_of(++mark_, dimension_);
        batch.put(id, next[id]);
      }
    }
    write(std::move(next), [&] { return store_->write(batch); });
  }

  void remove() {
    Model next = current();
    const std::uint64_t id = random_() % 64;
    next.erase(id);
    write(std::move(next), [&]() -> Result<void> {
      auto removed = store_->remove(id);
      if (!removed) return std::unexpected(removed.error());
      return {};
    });
  }

  // Put under a condition that holds or not.
  void put_if() {
    Model next = current();
    const std::uint64_t id = random_() % 64;
    const auto row = vector_of(++mark_, dimension_);
    const bool was_there = next.contains(id);
    const bool replaces = random_() % 2 == 0;
    if (was_there == replaces) next[id] = row;
    const auto view = store_->view();
    write(std::move(next), [&]() -> Result<void> {
      const auto put = replaces ? store_->put_if_unchanged(id, row, lsn_of(view, id))
                                : store_->put_if_absent(id, row);
      if (!put) return std::unexpected(put.error());
      EXPECT_EQ(*put, was_there == replaces);
      return {};
    });
  }

  // Of a vector that is there; else one that no vector has.
  static std::uint64_t lsn_of(const ReadView& view, std::uint64_t id) {
    const auto state = StoreAccess::state(view);
    const auto version = state->catalog->find(id, state->lsn);
    return version ? version->lsn : view.lsn() + 1000;
  }

  // Everything acknowledged is durable then.
  void compact() {
    const auto compacted = store_->compact();
    ASSERT_TRUE(succeeded(compacted));
    ASSERT_EQ(contents_of(*store_), current());
    if (compacted->generation == 0) return;  // there was nothing to do
    ASSERT_EQ(store_->info()->fragmentation, 0);
    forget_older_states();
  }

  template <class Call>
  void write(Model next, Call call) {
    states_.push_back(std::move(next));
    in_flight_ = true;
    const auto result = call();
    ASSERT_TRUE(succeeded(result));
    in_flight_ = false;
    if (durability_ == Durability::power_loss) forget_older_states();
  }

  template <class Call>
  void raise_durability(Call call) {
    ASSERT_TRUE(succeeded(call()));
    forget_older_states();
  }

  void forget_older_states() {
    while (states_.size() > 1) states_.pop_front();
  }

  // The process ends without closing, and the store is opened again.
  void reopen() {
    end_load();
    store_.reset();
    auto opened = StoreAccess::open(disk_, kStorePath, StoreMode::read_write, open_options());
    ASSERT_TRUE(succeeded(opened));
    store_.emplace(*std::move(opened));
    const Model found = contents_of(*store_);
    if (durability_ == Durability::checkpoint_only) {
      ASSERT_TRUE(is_allowed(found, os::Survivors::random));
      states_.assign(1, found);
    } else {
      ASSERT_EQ(found, current());
    }
  }

  // The states that may be found: those since the last one that is durable. If nothing was lost, as
  // after a kill, no acknowledged one may be missing.
  bool is_allowed(const Model& found, os::Survivors survivors) const {
    const bool keeps_all =
        survivors == os::Survivors::all && durability_ != Durability::checkpoint_only;
    std::size_t first = 0;
    if (keeps_all) first = states_.size() - (in_flight_ ? 2 : 1);
    for (std::size_t i = first; i < states_.size(); ++i) {
      if (states_[i] == found) return true;
    }
    return false;
  }

  void cut_everywhere(const os::SimulatedCall& call) {
    cut(disk_, call, os::Survivors::none, 0);
    cut(disk_, call, os::Survivors::all, 0);
    cut(disk_, call, os::Survivors::random, 0);
    cut(disk_, call, os::Survivors::random, 0);
  }

  void cut(const os::SimulatedFileSystem& disk, const os::SimulatedCall& call,
           os::Survivors survivors, int depth) {
    const auto after = disk.power_cut(survivors, cuts_random_);
    ++cuts_;
    const bool again = depth == 0 && cuts_ % 23 == 0;
    if (again) {
      after->set_hook([&](const os::SimulatedCall& inner) {
        if (!::testing::Test::HasFailure()) cut(*after, inner, os::Survivors::random, 1);
        return os::SimulatedOutcome{};
      });
    }
    SCOPED_TRACE("seed " + std::to_string(seed_) + ", durability " +
                 std::string(to_string(durability_)) + ", cut " + std::to_string(cuts_) +
                 " before " + call.operation + " " + call.path + " [" +
                 std::to_string(call.range.offset) + ", " + std::to_string(call.range.end()) + ")");
    // What survived a first cut may be lost by a second one, so only the last cut's kind counts at
    // depth 0.
    check(*after, depth == 0 ? survivors : os::Survivors::random);
  }

  void check(os::SimulatedFileSystem& disk, os::Survivors survivors) {
    auto opened = StoreAccess::open(disk, kStorePath, StoreMode::read_write, open_options());
    if (!opened && !exists_ && opened.error().code() == ErrorCode::not_found) {
      auto made = StoreAccess::create(disk, kStorePath, store_options(), open_options());
      ASSERT_TRUE(succeeded(made)) << "a creation that was cut short can be begun again";
      return;
    }
    disk.set_hook({});  // only the recovery is cut again
    ASSERT_TRUE(succeeded(opened));
    const Model found = contents_of(*opened);
    ASSERT_TRUE(is_allowed(found, survivors))
        << found.size() << " vectors found; " << states_.size() << " states allowed, the last has "
        << current().size();
    if (cuts_ % 5 == 0) check_goes_on(disk, *std::move(opened), found);
  }

  // The recovered store is whole and takes writes, which survive.
  void check_goes_on(os::SimulatedFileSystem& disk, VectorStore store, Model expected) {
    const auto report = store.verify();
    ASSERT_TRUE(succeeded(report));
    ASSERT_TRUE(report->ok()) << report->damaged.front().file << ": "
                              << report->damaged.front().what;
    expected[1000] = vector_of(1000, dimension_);
    ASSERT_TRUE(succeeded(store.put(1000, expected[1000])));
    ASSERT_TRUE(succeeded(store.close()));
    auto again = StoreAccess::open(disk, kStorePath, StoreMode::read_only, open_options());
    ASSERT_TRUE(succeeded(again));
    ASSERT_EQ(contents_of(*again), expected);
  }

  const std::uint64_t seed_;
  const Durability durability_;
  const std::uint32_t dimension_;
  os::Random random_;
  os::Random cuts_random_;
  os::SimulatedFileSystem disk_;
  std::optional<VectorStore> store_;
  std::optional<BulkLoader> loader_;
  std::vector<Claim> claims_;
  std::deque<Model> states_;  // those a cut may lead to, oldest first; the last is the current one
  bool in_flight_ = false;    // the last one is being written
  bool exists_ = false;
  std::uint64_t mark_ = 0;
  std::uint64_t calls_ = 0;
  std::uint64_t cuts_ = 0;
};

struct Case {
  const char* name;
  Durability durability;
  std::uint32_t dimension;
};

class PowerCuts : public ::testing::TestWithParam<Case> {};

TEST_P(PowerCuts, LeaveAStateThatThePromisesAllow) {
  const bool nightly = from_environment("QUIRE_NIGHTLY", 0) != 0;
  const std::uint64_t first = from_environment("QUIRE_SEED", 1);
  const std::uint64_t histories = from_environment("QUIRE_HISTORIES", nightly ? 30 : 1);
  std::uint64_t cuts = 0;
  for (std::uint64_t seed = first; seed < first + histories && !HasFailure(); ++seed) {
    History history(seed, GetParam().durability, GetParam().dimension);
    history.run(nightly ? 2 * kSteps : kSteps);
    cuts += history.cuts();
  }
  std::printf("  %llu power cuts, seeds %llu to %llu\n", static_cast<unsigned long long>(cuts),
              static_cast<unsigned long long>(first),
              static_cast<unsigned long long>(first + histories - 1));
}

INSTANTIATE_TEST_SUITE_P(
    All, PowerCuts,
    ::testing::Values(Case{"PowerLossSmallRows", Durability::power_loss, 16},
                      Case{"PowerLossRowsAcrossSectors", Durability::power_loss, 700},
                      Case{"ProcessCrash", Durability::process_crash, 100},
                      Case{"CheckpointOnly", Durability::checkpoint_only, 100}),
    [](const auto& one) { return one.param.name; });

}  // namespace
}  // namespace quire::vector
