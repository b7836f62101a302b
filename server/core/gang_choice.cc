#include "server/core/gang_choice.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "server/core/gang_shape.h"
#include "server/core/planner.h"

namespace rondo {
namespace {

// The `count` with the most memory, in their order. A worker that does not know its memory has
// room.
std::vector<WorkerInfo> Roomiest(const std::vector<WorkerInfo>& workers, int count) {
  const auto memory = [](const WorkerInfo& worker) {
    return worker.memory_bytes == 0 ? std::numeric_limits<int64_t>::max() : worker.memory_bytes;
  };
  std::vector<int64_t> memories;
  memories.reserve(workers.size());
  for (const WorkerInfo& worker : workers) memories.push_back(memory(worker));
  std::nth_element(memories.begin(), memories.begin() + count - 1, memories.end(),
                   std::greater<>());
  const int64_t least = memories[count - 1];
  int of_the_least =
      static_cast<int>(std::count(memories.begin(), memories.begin() + count, least));
  std::vector<WorkerInfo> roomiest;
  for (const WorkerInfo& worker : workers) {
    const int64_t bytes = memory(worker);
    if (bytes > least || (bytes == least && of_the_least-- > 0)) roomiest.push_back(worker);
  }
  return roomiest;
}

GangChoice Planned(const JobSpec& spec, const ModelFacts& facts, std::vector<WorkerInfo> workers) {
  GangChoice choice;
  const auto shapes = ShapesOf(spec, facts.config, static_cast<int>(workers.size()));
  if (shapes.ok()) {
    const Plan plan = PlanStages(spec, facts, *shapes, workers);
    for (const StagePlan& stage : plan.stages) {
      choice.memory_bytes = std::max(choice.memory_bytes, stage.memory_bytes);
    }
    const std::vector<std::string> no_room = RoomNotes(workers, plan);
    choice.fits = no_room.empty();
    if (!choice.fits) choice.why_not = no_room.front();
  }
  choice.workers = std::move(workers);
  return choice;
}

}  // namespace

GangChoice ChooseGang(const JobSpec& spec, const ModelFacts& facts,
                      const std::vector<WorkerInfo>& workers) {
  const int fewest = spec.workers > 0 ? spec.workers : FewestRanks(spec);
  const int available = static_cast<int>(workers.size());
  if (available < fewest) return {workers, 0, false};
  GangChoice first;
  for (int count = RanksFor(spec, facts.config, available);;
       count = RanksFor(spec, facts.config, count - 1)) {
    GangChoice choice = Planned(spec, facts, Roomiest(workers, count));
    if (choice.fits) {
      std::vector<WorkerInfo> enough;
      for (const WorkerInfo& worker : workers) {
        if (HasRoom(worker, choice.memory_bytes)) enough.push_back(worker);
      }
      if (static_cast<int>(enough.size()) < count) return choice;
      enough.resize(count);
      GangChoice modest = Planned(spec, facts, std::move(enough));
      return modest.fits ? modest : choice;
    }
    if (first.workers.empty()) first = std::move(choice);
    if (count <= fewest) return first;
  }
}

}  // namespace rondo
