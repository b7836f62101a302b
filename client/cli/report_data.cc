#include "client/cli/report_data.h"

#include <utility>

#include "client/lib/client.h"

namespace rondo {

void ReportData::Add(const JobEvent& event) {
  if (const auto* step = std::get_if<TrainingStep>(&event.body)) {
    std::erase_if(training, [step](const TrainingStep& other) {
      return other.objective == step->objective && other.step >= step->step;
    });
    training.push_back(*step);
  } else if (const auto* layer = std::get_if<LayerQuantized>(&event.body)) {
    quantized[layer->layer] = *layer;
  } else if (const auto* codebooks = std::get_if<LayerClustered>(&event.body)) {
    clustered[codebooks->layer] = *codebooks;
  } else if (const auto* note = std::get_if<Note>(&event.body)) {
    notes.push_back(*note);
  }
}

absl::StatusOr<ReportData> CollectReport(RondoClient* client, const JobId& id) {
  ReportData data;
  ASSIGN_OR_RETURN(data.job, client->Get(id));
  RETURN_IF_ERROR(client->Watch(id, 0, [&data](const JobEvent& event) {
    if (event.number <= data.job.last_event) data.Add(event);
    return event.number < data.job.last_event;
  }));
  return data;
}

}  // namespace rondo
