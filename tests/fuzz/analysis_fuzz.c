/* A whole capture from anybody: reader, decoder, TURN and TCP reassembly, DTLS, RTP, RTCP and the result's JSON and text. */
#include <stdio.h>
#include <stdlib.h>

#include "analyzers/analysis.h"
#include "analyzers/analysis_html.h"
#include "analyzers/analysis_json.h"
#include "analyzers/analysis_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct analysis *analysis = analysis_of_memory("fuzz", data, size, NULL);
    if (analysis == NULL)
        return 0;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out != NULL) {
        analysis_write_json(analysis, out);
        analysis_write_text(analysis, out);
        analysis_write_html(analysis, out);
        fclose(out);
    }
    free(text);
    analysis_destroy(analysis);
    return 0;
}
