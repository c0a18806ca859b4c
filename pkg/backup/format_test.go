package backup_test

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/keyward/keyward/pkg/backup"
)

var update = flag.Bool("update", false, "write the file of the known answer")

const known = "testdata/known.backup"

// The file was written by the release that introduced backups. It must remain readable.
func TestKnownBackup(t *testing.T) {
	t.Parallel()
	if *update {
		s := newSource(t)
		fillStore(t, s, 0, 10)
		if err := os.WriteFile(known, write(t, s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := os.ReadFile(known)
	if err != nil {
		t.Fatal(err)
	}
	found, err := backup.Verify(t.Context(), options(t), bytes.NewReader(file))
	if err != nil || found.Head.Size != 10 || found.CreateTime.Unix() != 1_800_000_000 {
		t.Errorf("Verify = %+v, %v", found, err)
	}
	rows, err := backup.ReadAll(t.Context(), options(t), bytes.NewReader(file))
	if err != nil || uint64(len(rows)) != found.Rows {
		t.Errorf("the backup has %d rows, %v, want %d", len(rows), err, found.Rows)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("keyward backup 1\n{\"service\":\"vault\"}\n\x00\x01\x00\x00\x00\x02kvv\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"))
	f.Add([]byte("keyward backup 1\n{}\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte("keyward backup 1\n{}\n\x00\x01\xff\xff\xff\xffk"))
	f.Add([]byte("keyward backup 2\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		_, rows, err := backup.Parse(data)
		if err == nil && !bytes.HasSuffix(data, rows) {
			t.Errorf("%q was read as the rows %q", data, rows)
		}
	})
}
