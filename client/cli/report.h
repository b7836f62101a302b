// A job as one HTML page.
#pragma once

#include <string>

#include "client/cli/report_data.h"

namespace rondo {

// Self-contained and well-formed as XML: results, curves of the training, layers, time, settings.
// The same data give the same page. Pure.
std::string ReportPage(const ReportData& data);

// Whether the file's folder is there: better known before a job than after it.
absl::Status CheckReportFile(const std::string& path);

// The page of a job that `client` knows, as far as it got; complete or absent.
absl::Status WriteReport(RondoClient* client, const JobId& id, const std::string& path);

}  // namespace rondo
