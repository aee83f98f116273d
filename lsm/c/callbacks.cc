// The caller's code inside the engine: merge operators, compaction filters and listeners made of C functions.
#include <span>
#include <vector>

#include "lsm/c/border.h"
#include "lsm/stats_text.h"

namespace varve::lsm::c {
namespace {

// What callbacks are given besides: the caller's until it is let go of.
class CallerState {
 public:
  CallerState(void* state, void (*destroy)(void*)) : state_(state), destroy_(destroy) {}
  CallerState(const CallerState&) = delete;
  CallerState& operator=(const CallerState&) = delete;
  ~CallerState() {
    if (destroy_ != nullptr) destroy_(state_);
  }
  void* get() const { return state_; }

 private:
  void* const state_;
  void (*const destroy_)(void*);
};

class CallerMergeOperator final : public MergeOperator {
 public:
  CallerMergeOperator(std::string name, void* state, void (*destroy)(void*), varve_merge_function merge,
                      varve_combine_function combine)
      : name_(std::move(name)), state_(state, destroy), merge_(merge), combine_(combine) {}

  std::string_view name() const override { return name_; }
  bool Merge(std::string_view key, const std::string_view* base, std::span<const std::string_view> operands,
             std::string* result) const override {
    const Arrays arrays(operands);
    varve_output output{result};
    const int merged =
        merge_(state_.get(), DataOf(key), key.size(), base != nullptr ? DataOf(*base) : nullptr,
               base != nullptr ? base->size() : 0, operands.size(), arrays.data.data(), arrays.sizes.data(), &output);
    return merged != 0 && !output.failed;
  }
  bool Combine(std::string_view key, std::span<const std::string_view> operands, std::string* result) const override {
    if (combine_ == nullptr) return false;
    const Arrays arrays(operands);
    varve_output output{result};
    const int combined = combine_(state_.get(), DataOf(key), key.size(), operands.size(), arrays.data.data(),
                                  arrays.sizes.data(), &output);
    return combined != 0 && !output.failed;
  }

 private:
  struct Arrays {
    explicit Arrays(std::span<const std::string_view> pieces) {
      for (std::string_view piece : pieces) {
        data.push_back(DataOf(piece));
        sizes.push_back(piece.size());
      }
    }
    std::vector<const char*> data;
    std::vector<size_t> sizes;
  };

  const std::string name_;
  const CallerState state_;
  const varve_merge_function merge_;
  const varve_combine_function combine_;
};

class CallerFilter final : public CompactionFilter {
 public:
  CallerFilter(void* state, void (*destroy)(void*), varve_filter_function filter)
      : state_(state, destroy), filter_(filter) {}

  Decision Filter(int level, std::string_view key, std::string_view value, std::string* new_value) override {
    varve_output output{new_value};
    switch (filter_(state_.get(), level, DataOf(key), key.size(), DataOf(value), value.size(), &output)) {
      case VARVE_FILTER_KEEP: break;
      case VARVE_FILTER_DROP: return Decision::kDrop;
      case VARVE_FILTER_CHANGE: return output.failed ? Decision::kKeep : Decision::kChange;
    }
    return Decision::kKeep;
  }

 private:
  const CallerState state_;
  const varve_filter_function filter_;
};

// Events as JSON.
class CallerListener final : public EventListener {
 public:
  CallerListener(void* state, void (*destroy)(void*), varve_listener_function listener)
      : state_(state, destroy), listener_(listener) {}

  void OnJobStarted(const RunningJob& job) noexcept override {
    Say("job_started", "job", [&] { return JobJson(job); });
  }
  void OnJobProgress(const RunningJob& job) noexcept override {
    Say("job_progress", "job", [&] { return JobJson(job); });
  }
  void OnJobFinished(const Job& job, const Status& status) noexcept override {
    Say("job_finished", "job",
        [&] { return JobJson(job) + ",\"error\":" + JsonString(status.ok() ? std::string() : status.ToString()); });
  }
  void OnTableCreated(uint64_t number, std::string_view path) noexcept override {
    Say("table_created", "number", [&] { return std::to_string(number) + ",\"path\":" + JsonString(path); });
  }
  void OnTableDeleted(uint64_t number, std::string_view path) noexcept override {
    Say("table_deleted", "number", [&] { return std::to_string(number) + ",\"path\":" + JsonString(path); });
  }
  void OnStallBegin(std::string_view why) noexcept override {
    Say("stall_begin", "why", [&] { return JsonString(why); });
  }
  void OnStallEnd(uint64_t duration_us) noexcept override {
    Say("stall_end", "duration_us", [&] { return std::to_string(duration_us); });
  }
  void OnBackgroundError(const Status& status) noexcept override {
    Say("background_error", "error", [&] { return JsonString(status.ToString()); });
  }

 private:
  // `json` gives the member's value, and further members behind it.
  template <typename Json>
  void Say(const char* event, const char* member, Json&& json) noexcept {
    Quietly([&] {
      const std::string text = std::string("{\"event\":\"") + event + "\",\"" + member + "\":" + json() + "}";
      listener_(state_.get(), text.c_str());
    });
  }

  const CallerState state_;
  const varve_listener_function listener_;
};

}  // namespace
}  // namespace varve::lsm::c

using namespace varve::lsm;     // NOLINT: what C calls can be in no namespace
using namespace varve::lsm::c;  // NOLINT: likewise

void varve_output_append(varve_output* output, const char* data, size_t size) {
  if (output == nullptr || size == 0) return;
  if (Guarded(nullptr, [&] { output->bytes->append(data, size); }) != VARVE_OK) output->failed = true;
}

varve_code varve_options_set_merge_operator(varve_options* options, const char* name, void* state,
                                            void (*destroy)(void* state), varve_merge_function merge,
                                            varve_combine_function combine, char** error) {
  return With(options, error, [&](varve_options& chosen) -> Status {
    VARVE_TRY(Require(name, "the operator's name"));
    if (merge == nullptr) return Status::InvalidArgument("merge is NULL");
    auto made = std::make_shared<CallerMergeOperator>(name, state, destroy, merge, combine);
    chosen.options.merge_operator = made.get();
    chosen.callers.merge_operator = std::move(made);
    return Status::Ok();
  });
}

varve_code varve_options_set_compaction_filter(varve_options* options, void* state, void (*destroy)(void* state),
                                               varve_filter_function filter, char** error) {
  return With(options, error, [&](varve_options& chosen) {
    std::shared_ptr<CallerFilter> made;
    if (filter != nullptr) made = std::make_shared<CallerFilter>(state, destroy, filter);
    chosen.options.compaction_filter = made.get();
    chosen.callers.compaction_filter = std::move(made);
  });
}

varve_code varve_options_set_listener(varve_options* options, void* state, void (*destroy)(void* state),
                                      varve_listener_function listener, char** error) {
  return With(options, error, [&](varve_options& chosen) {
    std::shared_ptr<CallerListener> made;
    if (listener != nullptr) made = std::make_shared<CallerListener>(state, destroy, listener);
    chosen.options.listener = made.get();
    chosen.callers.listener = std::move(made);
  });
}
