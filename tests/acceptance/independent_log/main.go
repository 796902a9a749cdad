// The transparency log of the Go checksum database (golang.org/x/mod/sumdb: tlog and note) over leaves that test_independent_log.py
// has too. No code of it is ours, and tiles of height 8 are C2SP's tlog-tiles but for the height in their path.
//
//	tile DIR SIZE INDEX...        writes the tiles of a log, prints its root and proofs as JSON
//	check DIR SIZE ROOT INDEX...  reads the tiles of a log, checks that leaves are in it and smaller logs are its beginning
//	note KEY FILE                 opens a signed note, prints its text
package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

func need(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func numbers(words []string) []int64 {
	var found []int64
	for _, word := range words {
		number, err := strconv.ParseInt(word, 10, 64)
		need(err)
		found = append(found, number)
	}
	return found
}

func leaf(index int64) []byte { return []byte(fmt.Sprintf("leaf %d", index)) }

// place returns where C2SP has a tile: tlog's path without the height.
func place(dir string, tile tlog.Tile) string {
	return filepath.Join(dir, "tile", strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height)))
}

type hashes []tlog.Hash

func (stored hashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	var found []tlog.Hash
	for _, index := range indexes {
		if index >= int64(len(stored)) {
			return nil, errors.New("no such hash")
		}
		found = append(found, stored[index])
	}
	return found, nil
}

func grown(size int64) hashes {
	var stored hashes
	for index := int64(0); index < size; index++ {
		added, err := tlog.StoredHashes(index, leaf(index), stored)
		need(err)
		stored = append(stored, added...)
	}
	return stored
}

func words(path []tlog.Hash) []string {
	found := []string{}
	for _, hash := range path {
		found = append(found, hex.EncodeToString(hash[:]))
	}
	return found
}

func tile(dir string, size int64, indexes []int64) {
	stored := grown(size)
	for _, tile := range tlog.NewTiles(height, 0, size) {
		data, err := tlog.ReadTileData(tile, stored)
		need(err)
		need(os.MkdirAll(filepath.Dir(place(dir, tile)), 0o700))
		need(os.WriteFile(place(dir, tile), data, 0o600))
	}
	root, err := tlog.TreeHash(size, stored)
	need(err)
	records, trees := map[int64][]string{}, map[int64][]string{}
	for _, index := range indexes {
		record, err := tlog.ProveRecord(size, index, stored)
		need(err)
		tree, err := tlog.ProveTree(size, index+1, stored)
		need(err)
		records[index], trees[index+1] = words(record), words(tree)
	}
	need(json.NewEncoder(os.Stdout).Encode(map[string]any{
		"root": hex.EncodeToString(root[:]), "records": records, "trees": trees,
	}))
}

// tiles reads those of a directory; tlog judges them by the root that it is given.
type tiles string

func (dir tiles) Height() int { return height }

func (dir tiles) ReadTiles(wanted []tlog.Tile) ([][]byte, error) {
	var found [][]byte
	for _, tile := range wanted {
		data, err := os.ReadFile(place(string(dir), tile))
		if err != nil {
			return nil, err
		}
		found = append(found, data)
	}
	return found, nil
}

func (dir tiles) SaveTiles([]tlog.Tile, [][]byte) {}

func check(dir string, size int64, root string, indexes []int64) {
	var head tlog.Hash
	_, err := hex.Decode(head[:], []byte(root))
	need(err)
	stored := grown(size)
	for _, index := range indexes {
		reader := tlog.TileHashReader(tlog.Tree{N: size, Hash: head}, tiles(dir))
		record, err := tlog.ProveRecord(size, index, reader)
		need(err)
		need(tlog.CheckRecord(record, size, head, index, tlog.RecordHash(leaf(index))))
		before, err := tlog.TreeHash(index+1, stored)
		need(err)
		tree, err := tlog.ProveTree(size, index+1, reader)
		need(err)
		need(tlog.CheckTree(tree, size, head, index+1, before))
	}
	fmt.Println(len(indexes))
}

func open(key, file string) {
	verifier, err := note.NewVerifier(key)
	need(err)
	data, err := os.ReadFile(file)
	need(err)
	opened, err := note.Open(data, note.VerifierList(verifier))
	need(err)
	fmt.Print(opened.Text)
}

func main() {
	switch given := os.Args[1:]; given[0] {
	case "tile":
		tile(given[1], numbers(given[2:3])[0], numbers(given[3:]))
	case "check":
		check(given[1], numbers(given[2:3])[0], given[3], numbers(given[4:]))
	case "note":
		open(given[1], given[2])
	default:
		need(errors.New("tile, check or note"))
	}
}
