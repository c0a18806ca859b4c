module github.com/keyward/keyward/tools/docs

go 1.26.8
