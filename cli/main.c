/* confab VERB …: finds the verb and hands it the rest of the command line. */
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "version") == 0) {
        puts("confab " CONFAB_VERSION);
        return 0;
    }
    fprintf(stderr, "confab: no verb given; see 'confab help'\n");
    return 2;
}
