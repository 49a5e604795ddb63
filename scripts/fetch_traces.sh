#!/usr/bin/env bash
# Fetches public request traces into a folder (default: .traces/, which git ignores).
#
#   scripts/fetch_traces.sh [-o FOLDER] [NAME…]      without a name: the small ones
#   scripts/fetch_traces.sh --list
#
# Where a SHA-256 is listed, a file that does not match is thrown away. "-" means that the file was never
# at hand to be hashed: its address comes from the publisher's page and was not tried, and the hash that is printed
# should be noted with any result.
set -euo pipefail

# name | size | licence | sha256 | address
traces() {
    cat <<'TABLE'
azure-llm-2023-code|small|CC-BY 4.0|54e9a6d2a4bd06ba1e060304b900abbc74cbea53de96506e60fe5bb4f2277fb6|https://raw.githubusercontent.com/Azure/AzurePublicDataset/master/data/AzureLLMInferenceTrace_code.csv
azure-llm-2023-conv|small|CC-BY 4.0|2f1e5b666d4e3055fdbba98598ce2ec307767b9064e03e2fa46676dbcc7d0bf8|https://raw.githubusercontent.com/Azure/AzurePublicDataset/master/data/AzureLLMInferenceTrace_conv.csv
azure-llm-2024-code|large|CC-BY 4.0|-|https://azurepublicdatasettraces.blob.core.windows.net/azurellminfererencetrace/AzureLLMInferenceTrace_code_1week.csv
azure-llm-2024-conv|large|CC-BY 4.0|-|https://azurepublicdatasettraces.blob.core.windows.net/azurellminfererencetrace/AzureLLMInferenceTrace_conv_1week.csv
azure-functions-2019|large|CC-BY 4.0|-|https://azurepublicdatasettraces.blob.core.windows.net/azurepublicdatasetv2/azurefunctions_dataset2019/azurefunctions-dataset2019.tar.xz
azure-functions-2021|large|CC-BY 4.0|-|https://github.com/Azure/AzurePublicDataset/raw/master/data/AzureFunctionsInvocationTraceForTwoWeeksJan2021.rar
mooncake-synthetic|small|Apache-2.0|bd070915a98fc0ed264d7cfef2ce746002eb3076a695ec31ba2674c0111ec131|https://raw.githubusercontent.com/kvcache-ai/Mooncake/main/FAST25-release/traces/synthetic_trace.jsonl
mooncake-conversation|small|Apache-2.0|-|https://raw.githubusercontent.com/kvcache-ai/Mooncake/main/FAST25-release/traces/conversation_trace.jsonl
servegen|large|Apache-2.0|-|https://github.com/alibaba/ServeGen/archive/refs/heads/main.tar.gz
TABLE
}

folder=.traces
wanted=()
while (($#)); do
    case $1 in
        -o) folder=${2:?-o needs a folder}; shift 2 ;;
        --list) traces | column -t -s '|'; exit 0 ;;
        -h | --help) sed -n '2,9p' "$0" | cut -c3-; exit 0 ;;
        *) wanted+=("$1"); shift ;;
    esac
done
for name in "${wanted[@]}"; do
    traces | grep -q "^$name|" || { echo "fetch_traces: no trace $name; see --list" >&2; exit 2; }
done

mkdir -p "$folder"
while IFS='|' read -r name size licence sha256 address; do
    if ((${#wanted[@]})); then
        [[ " ${wanted[*]} " == *" $name "* ]] || continue
    else
        [[ $size == small ]] || continue
    fi
    file=$folder/$name-${address##*/}
    if [[ -e $file ]]; then
        echo "$file is there"
        continue
    fi
    echo "fetching $name ($licence) from $address"
    curl --fail --location --silent --show-error --retry 2 -o "$file.part" "$address" || {
        rm -f "$file.part"
        echo "fetch_traces: could not fetch $name" >&2
        exit 2
    }
    found=$(sha256sum "$file.part" | cut -d' ' -f1)
    if [[ $sha256 == - ]]; then
        echo "  sha256 $found (nothing to compare it with)"
    elif [[ $found != "$sha256" ]]; then
        rm -f "$file.part"
        echo "fetch_traces: $name has the sha256 $found, not $sha256: the publisher changed it, or the transfer failed" >&2
        exit 2
    fi
    mv "$file.part" "$file"
done < <(traces)
