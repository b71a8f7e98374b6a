#include <benchmark/benchmark.h>

#include "bench/place.h"

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
    for (const auto& [name, value] : bench::place_facts()) benchmark::AddCustomContext(name, value);
    benchmark::RunSpecifiedBenchmarks();
    benchmark::ClearRegisteredBenchmarks();  // closes the stores that they keep
    benchmark::Shutdown();
}
